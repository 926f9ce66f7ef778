"""Checks of arguments: a wrong one is a ValueError or TypeError that says what is allowed.

Nothing here looks at the contents of a tensor, so no check waits for a GPU.
"""

import numbers
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeGuard

import torch
from torch import Tensor

from polyrepro.losses.series import Series

# Integers beyond it are not finite as floats.
LARGEST = sys.float_info.max
REDUCTIONS = ("none", "mean", "sum")


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float | numbers.Real) and not isinstance(value, bool)


def is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def checked(
    name: str, value: object, allowed: str, fits: Callable, kind: Callable = is_number
) -> Any:
    """``value``, if it is of its kind and fits."""
    if kind(value) and fits(value):
        return value
    error = ValueError if kind(value) else TypeError
    raise error(f"{name} must be {allowed}, got {value!r}")


def check_fraction(name: str, value: object) -> None:
    checked(name, value, "a number in [0, 1]", lambda x: 0 <= x <= 1)


def check_positive(name: str, value: object) -> None:
    checked(name, value, "a finite number > 0", lambda x: 0 < x <= LARGEST)


def checked_terms(terms: object) -> int | None:
    if terms is None:
        return None
    rule = "None (all terms) or an integer >= 1"
    return int(checked("terms", terms, rule, lambda n: n >= 1, is_integer))


def checked_epsilon(epsilon: object) -> tuple[float, ...]:
    """e_1 .. e_N as a tuple of finite floats; warns about coefficients that turn negative."""
    values = (epsilon,) if is_number(epsilon) else epsilon
    if isinstance(values, str | Tensor) or not isinstance(values, Iterable):
        rule = "epsilon must be a number or a sequence of numbers e_1 .. e_N"
        raise TypeError(f"{rule}, got {epsilon!r}")
    values = tuple(values)
    for j, value in enumerate(values, start=1):
        if not is_number(value) or not abs(value) <= LARGEST:
            error = ValueError if is_number(value) else TypeError
            raise error(f"epsilon must hold finite numbers, got e_{j} = {value!r}")
        if not torch.compiler.is_compiling() and value < -1 / j:
            warnings.warn(
                f"epsilon e_{j} = {value!r} is below -1/{j}, so the coefficient of (1 - P_t)^{j} "
                "is negative: the loss need no longer fall as P_t grows (Leng et al. use "
                "e_j >= -1/j)",
                stacklevel=_frames_of_this_package(),
            )
    return tuple(float(value) for value in values)


def _frames_of_this_package() -> int:
    """How far up the caller's own line is, for a warning to point there."""
    frame, count = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(str(__package__)):
        frame, count = frame.f_back, count + 1
    return count


def check_is_series(series: object) -> None:
    if not isinstance(series, Series):
        raise TypeError(f"series must be a polyrepro.losses.Series, got {series!r}")


def check_reduction(reduction: object) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}, got {reduction!r}")


def check_softmax_input(
    input: Tensor, target: Tensor, ignore_index: int, probabilities: bool = True
) -> None:
    """Shapes and dtypes of logits and of class indices, or probabilities where they are allowed."""
    _check_tensors(input, target)
    if not is_integer(ignore_index):
        raise TypeError(f"ignore_index must be an integer, got {ignore_index!r}")
    if input.dim() == 0:
        raise ValueError("input must have a class dimension: (C,), (N, C) or (N, C, d1, ...)")
    if probabilities and target.is_floating_point():
        _check_shape("target of probabilities must have the shape of input", target, input)
        if ignore_index >= 0:
            rule = "ignore_index applies to class indices; with probability targets leave it at"
            raise ValueError(f"{rule} -100, got {ignore_index!r}")
        return
    if target.dtype not in (torch.int64, torch.uint8):
        rule = "target must hold class indices (torch.int64) or probabilities (floating point)"
        raise TypeError(f"{rule}, got {target.dtype}")
    expected = input.shape[:1] + input.shape[2:] if input.dim() > 1 else ()
    if target.shape != expected:
        rule = f"target of class indices must have shape {tuple(expected)} for input"
        raise ValueError(f"{rule} {tuple(input.shape)}, got {tuple(target.shape)}")


def check_class_weight(weight: Tensor | None, input: Tensor) -> None:
    if weight is None:
        return
    classes = input.shape[min(input.dim() - 1, 1)]
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        raise TypeError(f"weight must be None or a floating point tensor, got {weight!r}")
    if weight.shape != (classes,):
        rule = f"weight must have one value per class, shape ({classes},)"
        raise ValueError(f"{rule}, got {tuple(weight.shape)}")


def check_sigmoid_input(input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Shapes and dtypes of logits, of labels, and of weights that broadcast to them."""
    _check_tensors(input, target)
    if target.dtype.is_complex:
        raise TypeError(f"target must hold real labels in [0, 1], got {target.dtype}")
    _check_shape("target must have the shape of input", target, input)
    if weight is None:
        return
    if not isinstance(weight, Tensor) or weight.dtype.is_complex:
        raise TypeError(f"weight must be None or a tensor of real numbers, got {weight!r}")
    try:
        weight.expand(input.shape)
    except RuntimeError:
        rule = f"weight must have a shape that broadcasts to that of input, {tuple(input.shape)}"
        raise ValueError(f"{rule}, got {tuple(weight.shape)}") from None


def _check_tensors(input: Tensor, target: Tensor) -> None:
    for name, value in (("input", input), ("target", target)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not input.is_floating_point():
        raise TypeError(f"input must hold floating point logits, got {input.dtype}")


def _check_shape(rule: str, target: Tensor, input: Tensor) -> None:
    if target.shape != input.shape:
        raise ValueError(f"{rule}, got {tuple(target.shape)} for input {tuple(input.shape)}")
