"""Operators that compiled packages have, in plain torch."""
