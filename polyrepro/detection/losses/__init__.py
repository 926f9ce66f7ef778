"""The PolyLoss family with the interface of MMDetection's losses."""

from polyrepro.detection.losses.poly_cross_entropy import PolyCrossEntropyLoss
from polyrepro.detection.losses.poly_focal import PolyFocalLoss

__all__ = ["PolyCrossEntropyLoss", "PolyFocalLoss"]
