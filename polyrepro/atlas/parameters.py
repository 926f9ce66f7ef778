"""Checks of the parameters of losses; the rest of them is in `polyrepro.losses.checks`."""

from polyrepro.losses.checks import is_number


def check_quantile(name: str, value: object) -> None:
    """``value`` must be a number between 0 and 1, and neither of them.

    Raises:
        TypeError, ValueError: naming the parameter, its value and what is allowed.
    """
    if not is_number(value):
        raise TypeError(f"{name} must be a number between 0 and 1, got {value!r}")
    if not 0 < value < 1:
        raise ValueError(f"{name} must be a number between 0 and 1, exclusive, got {value!r}")
