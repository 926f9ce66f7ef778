"""The base of every error that a user can mend."""


class PolyreproError(Exception):
    """Its text says what is wrong, where, and how to mend it; commands print it and stop."""
