"""The PolyLoss family (Leng et al., ICLR 2022) in PyTorch, drop-in for torch's cross-entropy."""

from polyrepro.losses.binary_cross_entropy import (
    PolyBinaryCrossEntropyLoss,
    poly_binary_cross_entropy,
    series_binary_cross_entropy,
)
from polyrepro.losses.cross_entropy import (
    PolyCrossEntropyLoss,
    poly_cross_entropy,
    series_cross_entropy,
)
from polyrepro.losses.poly_series import PolySeries
from polyrepro.losses.series import Series

__all__ = [
    "PolyBinaryCrossEntropyLoss",
    "PolyCrossEntropyLoss",
    "PolySeries",
    "Series",
    "poly_binary_cross_entropy",
    "poly_cross_entropy",
    "series_binary_cross_entropy",
    "series_cross_entropy",
]
