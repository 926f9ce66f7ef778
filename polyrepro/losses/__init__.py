"""The PolyLoss family (Leng et al., ICLR 2022) in PyTorch, drop-in for torch's cross-entropy."""

from polyrepro.losses.binary_cross_entropy import (
    PolyBinaryCrossEntropyLoss,
    SeriesBinaryCrossEntropyLoss,
    poly_binary_cross_entropy,
    series_binary_cross_entropy,
)
from polyrepro.losses.by_name import series_by_name
from polyrepro.losses.cross_entropy import (
    PolyCrossEntropyLoss,
    SeriesCrossEntropyLoss,
    poly_cross_entropy,
    series_cross_entropy,
)
from polyrepro.losses.gates import HardGate, SoftGate, soft_gated_cross_entropy
from polyrepro.losses.poly_series import PolySeries
from polyrepro.losses.power_term import PowerTerm
from polyrepro.losses.row_statistics import get_backend, set_backend
from polyrepro.losses.series import Series, leading_term
from polyrepro.losses.series_check import check_series

__all__ = [
    "HardGate",
    "PolyBinaryCrossEntropyLoss",
    "PolyCrossEntropyLoss",
    "PolySeries",
    "PowerTerm",
    "Series",
    "SeriesBinaryCrossEntropyLoss",
    "SeriesCrossEntropyLoss",
    "SoftGate",
    "check_series",
    "get_backend",
    "leading_term",
    "poly_binary_cross_entropy",
    "poly_cross_entropy",
    "series_binary_cross_entropy",
    "series_by_name",
    "series_cross_entropy",
    "set_backend",
    "soft_gated_cross_entropy",
]
