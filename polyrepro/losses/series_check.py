"""Where the value or a derivative of a series of one's own goes wrong, and how to mend it."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from polyrepro.losses.checks import check_is_series
from polyrepro.losses.series import Series, derivative

# P_t = 0 as logits of -10,000 give it, then small ones, and P_t = 1.
LOG_EDGES = (-1e4, -100.0, -20.0, -1e-4, -1e-7, -1e-12, -0.0)
# Where derivatives are compared with differences; odd numbers, because a gate has steps.
INNER = (0.0137, 0.0931, 0.2718, 0.4142, 0.5772, 0.6931, 0.8614, 0.9735)
ALL_LOG_PT = torch.tensor([*LOG_EDGES, *map(math.log, INNER)], dtype=torch.float64)
STEP = 1e-6
ARGUMENTS = {"base": "-log P_t", "bounded_base": "q", "modulation": "q", "polynomial": "q"}
TORCH = "use differentiable torch operations on the argument only"
FINITE = (
    "losses and gradients must be finite from P_t = 0 to 1; keep arguments of fractional powers, "
    "logarithms and quotients away from 0, as in q.clamp(min=1e-12)"
)
ELEMENTWISE = (
    "is not elementwise: at P_t = {} it gives {} alone and {} among others; compute every element "
    "from itself alone"
)
DIFFERENTIABLE = (
    "is not differentiable: at P_t = {} automatic differentiation gives {}, the difference "
    f"quotient {{}}; {TORCH} (no detach, item, numpy or no_grad)"
)
AGREES = (
    "does not agree with base, modulation and polynomial: at P_t = {} it is {}, they give {}; "
    "correct it, or leave it out"
)


def check_series(series: Series) -> None:
    """Evaluate a series from P_t = 0 to 1 and compare its derivatives with differences.

    Tried in float64 and float32: every method that the series overrides gives finite values, with
    finite derivatives, one per element and of its dtype, and leaves its argument alone;
    automatic differentiation agrees with finite differences; ``value``, ``gradient_weight`` and
    the other derivatives agree with these if they are overridden. Steps, as of
    :class:`polyrepro.losses.HardGate`, are allowed.

    Raises:
        TypeError: for what is no series, or a method that returns something else than a tensor.
        ValueError: naming the series, the method, P_t, what was found, and how to mend it.
    """
    check_is_series(series)
    try:
        for name in _overridden(series):
            _check_part(name, _guarded(series, name))
        _check_agreement(series)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{series!r}: {error}") from error


def _overridden(series: Series) -> list[str]:
    """The methods that make up its value."""
    names = [name for name in ARGUMENTS if getattr(type(series), name) is not getattr(Series, name)]
    if names[:2] == ["base", "bounded_base"]:
        raise ValueError(
            "overrides both base and bounded_base; override base if it is infinite at P_t = 0, "
            "bounded_base if it is finite there"
        )
    return [name for name in names if name != "bounded_base" or series.has_bounded_base]


def _guarded(series: Series, name: str) -> Callable:
    def called(*arguments: Tensor) -> Tensor:
        try:
            return getattr(series, name)(*arguments)
        except Exception as error:
            text = f"{name} fails with {type(error).__name__}: {error}; {TORCH}"
            raise ValueError(text) from error

    return called


def _check_part(name: str, function: Callable) -> None:
    """One of the methods that make up the value, at all places at once and one by one."""
    for log_pt in (ALL_LOG_PT, ALL_LOG_PT.float()):
        at = -log_pt if name == "base" else -torch.expm1(log_pt)
        argument = at.clone()
        result = function(argument)
        if result is None and name in ("modulation", "polynomial"):
            return
        if not torch.equal(argument, at):
            raise ValueError(f"{name} changes its argument in place; {TORCH}")
        if not isinstance(result, Tensor):
            raise TypeError(f"{name} must return a tensor, got {type(result).__name__}; {TORCH}")
        if result.shape != at.shape or result.dtype != at.dtype:
            raise ValueError(
                f"{name} must return the shape and dtype of its argument, {tuple(at.shape)} and "
                f"{at.dtype}, got {tuple(result.shape)} and {result.dtype}"
            )
        _check_finite(name, result, log_pt)
        single = torch.cat([function(each) for each in at.split(1)])
        _check_close(name, ELEMENTWISE, single, result, log_pt, 1e-4)
        slope = _reverse(function, at)
        _check_finite(f"the derivative of {name} by {ARGUMENTS[name]}", slope, log_pt)
        if at.dtype == torch.float64:
            log_pt, at, slope = (each[len(LOG_EDGES) :] for each in (log_pt, at, slope))
            steps = [(function(at + step) - function(at)) / step for step in (STEP, -STEP)]
            # At a step of the function the quotient of one side is right.
            quotients = torch.stack([(steps[0] + steps[1]) / 2, *steps])
            nearest = (quotients - slope).abs().argmin(0, keepdim=True)
            quotient = quotients.gather(0, nearest)[0]
            _check_close(name, DIFFERENTIABLE, slope, quotient, log_pt, 1e-5)


def _check_agreement(series: Series) -> None:
    """What can be overridden for speed, against what it stands for."""
    for log_pt in (ALL_LOG_PT, ALL_LOG_PT.float()):
        for name in ("value", "gradient_weight", "leading_weight"):
            _check_finite(name, _guarded(series, name)(log_pt), log_pt)
    log_pt = ALL_LOG_PT[len(LOG_EDGES) :]
    nll, q = -log_pt, -torch.expm1(log_pt)
    base, value = series.base(nll), _guarded(series, "value")
    combined = _guarded(series, "combine")(base, q)
    parts = ("value", "derivative by base", "derivative by q")
    names = (f"combine_with_derivatives ({part})" for part in parts)
    found = _guarded(series, "combine_with_derivatives")(base, q)
    expected = Series.combine_with_derivatives(series, base, q)
    pairs = [
        ("base_weight", series.base_weight(nll), derivative(series.base, nll)),
        *zip(names, found, expected, strict=True),
        ("value", value(log_pt), combined),
        ("gradient_weight", series.gradient_weight(log_pt), -_reverse(value, log_pt)),
    ]
    if series.is_cross_entropy:
        pairs.append(("is_cross_entropy", combined, nll))
    for name, *pair in pairs:
        one, other = (torch.as_tensor(each, dtype=q.dtype).expand(q.shape) for each in pair)
        _check_close(name, AGREES, one, other, log_pt, 1e-6)


def _reverse(function: Callable, at: Tensor) -> Tensor:
    """The derivative by automatic differentiation; 0 for a function without one."""
    with torch.enable_grad():
        leaf = at.clone().requires_grad_()
        total = function(leaf).sum()
        return torch.autograd.grad(total, leaf)[0] if total.requires_grad else torch.zeros_like(at)


def _check_finite(what: str, result: Tensor, log_pt: Tensor) -> None:
    for place in result.isfinite().logical_not().nonzero().flatten().tolist():
        where = f"P_t = {_shown(log_pt[place])} in {log_pt.dtype}"
        raise ValueError(f"{what} is {result[place]} at {where}; {FINITE}")


def _check_close(
    name: str, rule: str, one: Tensor, other: Tensor, log_pt: Tensor, tolerance: float
) -> None:
    """``rule`` has places for P_t and both values."""
    if not torch.allclose(one, other, rtol=tolerance, atol=tolerance):
        worst = int((one - other).abs().argmax())
        values = (f"{each[worst]:.6g}" for each in (one, other))
        raise ValueError(f"{name} {rule.format(_shown(log_pt[worst]), *values)}")


def _shown(log_pt: Tensor) -> str:
    """P_t, near 1 as its distance to that."""
    value = log_pt.item()
    return f"{torch.exp(log_pt):.4g}" if value < -1e-3 or value == 0 else f"1 - {-value:.4g}"
