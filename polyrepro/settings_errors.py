"""What is wrong with a configuration, in the words of someone who edits a YAML file."""

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

SHORT = reprlib.Repr()
SHORT.maxlevel, SHORT.maxlist, SHORT.maxstring = 2, 4, 80
"""How values are shown in messages."""


def did_you_mean(value: Any, choices: Iterable[str]) -> str:
    """The end of a message about an unknown value: the closest of the known ones, and all."""
    choices = list(choices)
    close = difflib.get_close_matches(str(value), choices, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    return f"{guess} Known are: {', '.join(choices)}"


def describe(detail: Any, keys: Iterable[str], overrides: Iterable[str]) -> str:
    """One of pydantic's errors.

    Args:
        detail: an item of `ValidationError.errors()`.
        keys: all keys of the configuration.
        overrides: all keys of its `overrides`.
    """
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        choices = overrides if key.startswith("overrides.") else keys
        return f"{key}: unknown key{did_you_mean(key.split('.')[-1], choices)}"
    if detail["type"] == "missing":
        return f"{key}: missing; config/config.yaml shows it"
    message = detail["msg"].removeprefix("Value error, ")
    value = detail["input"]
    text = f"{key}: {message}" if "error" in detail.get("ctx", {}) else ""
    text = text or f"{key}: {message}, got {SHORT.repr(value)}"
    if isinstance(value, str) and _is_number(value):
        text += " (YAML reads this as text; write a plain number, 1e-3 as 1.0e-3)"
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
