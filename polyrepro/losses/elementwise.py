"""The sigmoid form of any series, element by element: its value and its slope.

With a label y in [0, 1] and p = sigmoid(logit), the base term is its expectation over the label and
``q = y (1 - p) + (1 - y) p``. Value and slope are plain differentiable torch operations; for labels
of 0 and 1 they exist a second time, in half as many operations, where nothing is differentiated.
How they are evaluated on large arrays is the business of ``blocked.py``.
"""

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.series import Series


def elementwise_value(
    logits: Tensor, target: Tensor, series: Series, alpha: float | None
) -> Tensor:
    """The loss of every element, the shape of ``logits``."""
    base = torch.lerp(series.base(_softplus(logits)), series.base(_softplus(-logits)), target)
    # torch.lerp is exact at 0 and 1, so hard labels lose no accuracy.
    q = torch.lerp(torch.sigmoid(logits), torch.sigmoid(-logits), target)
    losses = series.combine(base, q)
    return losses if alpha is None else losses * _balance(target, alpha)


def elementwise_slope(
    logits: Tensor, target: Tensor, series: Series, alpha: float | None
) -> Tensor:
    """The derivative of :func:`elementwise_value` by the logits, the shape of ``logits``."""
    p, complement = torch.sigmoid(logits), torch.sigmoid(-logits)
    nll_one, nll_zero = _softplus(-logits), _softplus(logits)
    base = torch.lerp(series.base(nll_zero), series.base(nll_one), target)
    _, by_base, by_q = series.combine_with_derivatives(base, torch.lerp(p, complement, target))
    rise, fall = p * series.base_weight(nll_zero), complement * series.base_weight(nll_one)
    slope = by_base * torch.lerp(rise, -fall, target) + by_q * (p * complement * (1 - 2 * target))
    return slope if alpha is None else slope * _balance(target, alpha)


def hard_value(logits: Tensor, target: Tensor, series: Series, alpha: float | None) -> Tensor:
    """:func:`elementwise_value` for labels of 0 and 1, without a derivative of its own."""
    nll, q = _target_statistics(logits, target)
    losses = series.combine(series.base(nll), q)
    return losses if alpha is None else losses * _balance(target, alpha)


def hard_slope(logits: Tensor, target: Tensor, series: Series, alpha: float | None) -> Tensor:
    """:func:`elementwise_slope` for labels of 0 and 1, without a derivative of its own."""
    nll, q = _target_statistics(logits, target)
    _, weight = series.value_and_weight(nll, q)
    # P_t rises with the logit of a 1 and falls with that of a 0.
    sign = torch.rsub(target, 1, alpha=2) if alpha is None else torch.rsub(target, 1 - alpha)
    return sign.mul_(q).mul_(weight)


def _target_statistics(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """``-log P_t`` and ``1 - P_t``."""
    margin = torch.rsub(target, 1, alpha=2).mul_(logits)
    # log(1 + e^x) is x above 80, where e^x will not overflow yet.
    nll = margin.clamp(max=80).exp_().log1p_()
    nll = torch.maximum(nll, margin, out=nll)
    return nll, margin.sigmoid_()


def _softplus(x: Tensor) -> Tensor:
    """``log(1 + e^x)``; torch's own softplus rounds to x above 20."""
    return -functional.logsigmoid(-x)


def _balance(target: Tensor, alpha: float) -> Tensor:
    return (1 - alpha) + (2 * alpha - 1) * target
