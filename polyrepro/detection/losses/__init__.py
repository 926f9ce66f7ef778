"""The PolyLoss family with the interface of MMDetection's losses."""

from polyrepro.detection.losses.cross_entropy import PolyCrossEntropyLoss
from polyrepro.detection.losses.focal import PolyFocalLoss

__all__ = ["PolyCrossEntropyLoss", "PolyFocalLoss"]
