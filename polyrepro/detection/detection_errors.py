"""Errors of the detection part; each is mended by the user."""

from polyrepro.errors import PolyreproError


class DetectionError(PolyreproError):
    """A configuration, model, data set or checkpoint that cannot be used as it is."""


class MissingDetectionError(DetectionError, ImportError):
    """MMDetection, or something it needs, is not installed or cannot be imported."""


class MissingOperatorError(DetectionError, NotImplementedError):
    """A compiled operator of mmcv that has no counterpart here."""


class NonFiniteLossError(DetectionError, FloatingPointError):
    """A loss became infinite or NaN."""
