"""How a part of the check ends, other than well."""

from polyrepro.errors import PolyreproError


class CheckFailedError(PolyreproError):
    """What was measured is not what it should be."""


class SkippedError(PolyreproError):
    """A part that cannot be tried here; its text says why."""
