"""How a part of the check ends if it does not pass."""

import importlib.util

from polyrepro.errors import PolyreproError


class CheckFailedError(PolyreproError):
    """What was measured is not what it should be."""


class SkippedError(PolyreproError):
    """A part that cannot be tried here; its text says why."""


def require_detection() -> None:
    """Skip a part where there is no MMDetection."""
    if importlib.util.find_spec("mmdet") is None:
        raise SkippedError("MMDetection is not installed: pip install 'polyrepro[detection]'")
