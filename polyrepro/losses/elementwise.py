"""The sigmoid form of any series, element by element: its value and its slope.

With a label y in [0, 1] and p = sigmoid(logit), the base term is its expectation over the label and
``q = y (1 - p) + (1 - y) p``. Both functions are plain differentiable torch operations; how they
are evaluated on large arrays is the business of ``blocked.py``.
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


def _softplus(x: Tensor) -> Tensor:
    """``log(1 + e^x)``; torch's own softplus rounds to x above 20."""
    return -functional.logsigmoid(-x)


def _balance(target: Tensor, alpha: float) -> Tensor:
    return (1 - alpha) + (2 * alpha - 1) * target
