"""A series by name, for configurations and studies, which are read without importing torch."""

import difflib
import inspect
from collections.abc import Mapping
from importlib import import_module

from polyrepro.losses.gates import HardGate, SoftGate
from polyrepro.losses.poly_series import PolySeries
from polyrepro.losses.power_term import PowerTerm
from polyrepro.losses.series import Series

SERIES = {series.__name__: series for series in (PolySeries, PowerTerm, HardGate, SoftGate)}
"""The series of this package by name."""


def series_by_name(name: str, arguments: Mapping[str, object]) -> Series:
    """Build a series.

    Args:
        name: of a series of this package (see ``SERIES``), or ``package.module:Class`` of any
            importable subclass of :class:`Series`.
        arguments: keyword arguments of the class.

    Raises:
        ValueError: if there is no such series or it has no such argument, or if it refuses a value.
        TypeError: if the class is not a :class:`Series`.
    """
    cls = _outside(name) if ":" in name else SERIES.get(name)
    if cls is None:
        raise ValueError(
            f"unknown series {name!r}{_known(name, SERIES)}; a series of your own is "
            "'package.module:Class'"
        )
    accepted = inspect.signature(cls).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    for argument in arguments if not open_ended else ():
        if argument not in accepted:
            known = _known(argument, accepted)
            raise ValueError(f"series {name} has no argument {argument!r}{known}")
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"series {name} refuses {dict(arguments)}: {error}") from error


def _outside(name: str) -> type[Series]:
    module_name, _, class_name = name.partition(":")
    try:
        cls = getattr(import_module(module_name), class_name)
    except ImportError as error:
        raise ValueError(
            f"series {name!r}: cannot import {module_name!r} ({error}); it must be installed, or "
            "lie in the folder in which the command runs"
        ) from error
    except AttributeError:
        raise ValueError(f"series {name!r}: {module_name!r} has no {class_name!r}") from None
    except Exception as error:
        raise ValueError(
            f"series {name!r}: {module_name!r} fails when it is imported, with "
            f"{type(error).__name__}: {error}; mend it there"
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, Series)):
        raise TypeError(f"series {name!r} is not a subclass of polyrepro.losses.Series")
    return cls


def _known(name: str, choices: Mapping) -> str:
    close = difflib.get_close_matches(name, list(choices), n=1)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    return f"{guess} Known are: {', '.join(choices) or 'none'}"
