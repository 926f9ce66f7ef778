"""Errors that a user can mend: the base of all, and one that several rooms raise."""


class PolyreproError(Exception):
    """Its text says what is wrong, where, and how to mend it; commands print it and stop."""


class DeviceError(PolyreproError):
    """A device that is not there, or processes that do not fit the run."""
