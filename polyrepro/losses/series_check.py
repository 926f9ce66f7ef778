"""Where the value or a derivative of a series of one's own goes wrong, and how to mend it."""

import torch
from torch import Tensor

from polyrepro.losses.checks import check_is_series
from polyrepro.losses.series import Series, derivative

# P_t = 0 as logits of -10,000 give it, then small ones, and P_t = 1.
LOG_EDGES = (-1e4, -100.0, -20.0, -1e-4, -1e-7, -1e-12, -0.0)
# Where derivatives are compared with differences; odd numbers, because a gate has steps.
INNER = (0.0137, 0.0931, 0.2718, 0.4142, 0.5772, 0.6931, 0.8614, 0.9735)
STEP = 1e-6
ARGUMENTS = {"base": "-log P_t", "bounded_base": "q", "modulation": "q", "polynomial": "q"}
FINITE = (
    "losses and gradients must be finite from P_t = 0 to 1; keep arguments of fractional powers, "
    "logarithms and quotients away from 0, as in q.clamp(min=1e-12)"
)
TORCH = "use differentiable torch operations on the argument only"


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
    if "base" in _overridden(series) and "bounded_base" in _overridden(series):
        raise ValueError(
            f"{series!r} overrides both base and bounded_base; override base if it is infinite at "
            "P_t = 0, bounded_base if it is finite there"
        )
    for dtype in (torch.float64, torch.float32):
        log_pt = torch.tensor([*LOG_EDGES, *torch.tensor(INNER).log().tolist()], dtype=dtype)
        for name in ARGUMENTS:
            absent = name == "bounded_base" and not series.has_bounded_base
            if name in _overridden(series) and not absent:
                _check_part(series, name, log_pt)
        for name in ("value", "gradient_weight", "leading_weight"):
            _finite(series, name, _called(series, name, log_pt), log_pt)
    log_pt = torch.tensor(INNER, dtype=torch.float64).log()
    _check_agreement(series, log_pt)


def _overridden(series: Series) -> set[str]:
    return {
        name for name in dir(Series) if getattr(type(series), name) is not getattr(Series, name)
    }


def _check_part(series: Series, name: str, log_pt: Tensor) -> None:
    """One of the methods that make up the value, at all places at once and one by one."""
    at = -log_pt if name == "base" else -torch.expm1(log_pt)
    argument = at.clone()
    result = _called(series, name, argument)
    if result is None and name in ("modulation", "polynomial"):
        return
    if not torch.equal(argument, at):
        raise ValueError(f"{series!r}: {name} changes its argument in place; {TORCH}")
    if not isinstance(result, Tensor):
        raise TypeError(
            f"{series!r}: {name} must return a tensor, got {type(result).__name__}; {TORCH}"
        )
    if result.shape != at.shape or result.dtype != at.dtype:
        raise ValueError(
            f"{series!r}: {name} must return the shape and dtype of its argument, "
            f"{tuple(at.shape)} and {at.dtype}, got {tuple(result.shape)} and {result.dtype}"
        )
    _finite(series, name, result, log_pt)
    single = torch.cat([_called(series, name, each) for each in at.split(1)])
    if not torch.allclose(single, result, rtol=1e-4, atol=1e-6):
        worst = int((single - result).abs().argmax())
        raise ValueError(
            f"{series!r}: {name} is not elementwise: at P_t = {_shown(log_pt[worst])} it gives "
            f"{single[worst]:g} alone and {result[worst]:g} among others; compute every element "
            "from itself alone"
        )
    found = _reverse(series, name, at)
    _finite(series, f"the derivative of {name} by {ARGUMENTS[name]}", found, log_pt)
    if at.dtype == torch.float64:
        _check_differences(series, name, at[len(LOG_EDGES) :], found[len(LOG_EDGES) :])


def _check_differences(series: Series, name: str, at: Tensor, found: Tensor) -> None:
    """A derivative must agree with the difference quotient, at a step with that of one side."""
    middle = _called(series, name, at)
    above, below = ((_called(series, name, at + step) - middle) / step for step in (STEP, -STEP))
    mean = (above + below) / 2
    near = [_near(found, quotient, 1e-5) for quotient in (mean, above, below)]
    if not torch.stack(near).any(0).all():
        worst = int((found - mean).abs().argmax())
        pt = torch.exp(-at[worst]) if name == "base" else 1 - at[worst]
        raise ValueError(
            f"{series!r}: {name} is not differentiable: at P_t = {pt:.4g} automatic "
            f"differentiation gives {found[worst]:.6g}, the difference quotient "
            f"{mean[worst]:.6g}; {TORCH} (no detach, item, numpy or no_grad)"
        )


def _check_agreement(series: Series, log_pt: Tensor) -> None:
    """What can be overridden for speed, against what it stands for."""
    nll, q = -log_pt, -torch.expm1(log_pt)
    base = series.base(nll)
    value = _called(series, "combine", base, q)
    pairs: dict[str, tuple[Tensor | float, Tensor | float]]
    pairs = {"base_weight": (series.base_weight(nll), derivative(series.base, nll))}
    names = ("value", "derivative by base", "derivative by q")
    found = _called(series, "combine_with_derivatives", base, q)
    expected = Series.combine_with_derivatives(series, base, q)
    for name, first, second in zip(names, found, expected, strict=True):
        pairs[f"combine_with_derivatives ({name})"] = (first, second)
    pairs["value"] = (_called(series, "value", log_pt), value)
    weight = -_reverse(series, "value", log_pt)
    pairs["gradient_weight"] = (_called(series, "gradient_weight", log_pt), weight)
    if series.is_cross_entropy:
        pairs["is_cross_entropy"] = (value, nll)
    for name, pair in pairs.items():
        one, other = (torch.as_tensor(each, dtype=q.dtype).expand(q.shape) for each in pair)
        if not _near(one, other, 1e-6).all():
            worst = int((one - other).abs().argmax())
            raise ValueError(
                f"{series!r}: {name} does not agree with base, modulation and polynomial: at P_t = "
                f"{_shown(log_pt[worst])} it is {one[worst]:.6g}, they give "
                f"{other[worst]:.6g}; correct it, or leave it out"
            )


def _called(series: Series, name: str, *arguments: Tensor) -> Tensor:
    try:
        return getattr(series, name)(*arguments)
    except Exception as error:
        raise ValueError(
            f"{series!r}: {name} fails with {type(error).__name__}: {error}; {TORCH}"
        ) from error


def _reverse(series: Series, name: str, at: Tensor) -> Tensor:
    """The derivative by automatic differentiation; 0 for a function without one."""
    with torch.enable_grad():
        leaf = at.clone().requires_grad_()
        total = _called(series, name, leaf).sum()
        if not total.requires_grad:
            return torch.zeros_like(at)
        return torch.autograd.grad(total, leaf)[0]


def _near(first: Tensor, second: Tensor, tolerance: float) -> Tensor:
    return torch.isclose(first, second, rtol=tolerance, atol=tolerance)


def _finite(series: Series, what: str, result: Tensor, log_pt: Tensor) -> None:
    wrong = result.isfinite().logical_not().nonzero().flatten().tolist()
    if wrong:
        raise ValueError(
            f"{series!r}: {what} is {result[wrong[0]]} at P_t = {_shown(log_pt[wrong[0]])} in "
            f"{log_pt.dtype}; {FINITE}"
        )


def _shown(log_pt: Tensor) -> str:
    """P_t, near 1 as its distance to that."""
    value = log_pt.item()
    return f"{torch.exp(log_pt):.4g}" if value < -1e-3 or value == 0 else f"1 - {-value:.4g}"
