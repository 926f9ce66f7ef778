"""Losses of two-class problems as functions of the margin m = y f(x), with y -1 or 1.

Elementwise on margins of any shape. Focal loss and cross-entropy are those of `polyrepro.losses`,
with ``P_t = sigmoid(m)``.
"""

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses import PolySeries
from polyrepro.losses.checks import check_positive


def zero_one(margin: Tensor) -> Tensor:
    """1 where the sign is wrong or the margin 0, else 0."""
    return (margin <= 0).to(margin.dtype)


def logistic(margin: Tensor) -> Tensor:
    """``log(1 + e^-m)``."""
    return functional.softplus(-margin)


def hinge(margin: Tensor) -> Tensor:
    """``max(0, 1 - m)``."""
    return functional.relu(1 - margin)


def exponential(margin: Tensor) -> Tensor:
    """``e^-m``, of AdaBoost."""
    return torch.exp(-margin)


def squared(margin: Tensor) -> Tensor:
    """``(1 - m)^2``, which is ``(y - f(x))^2``."""
    return (1 - margin) ** 2


def truncated_squared(margin: Tensor, cap: float = 4.0) -> Tensor:
    """``min((1 - m)^2, cap)``: no sample costs more than the cap.

    Args:
        cap: > 0; 4 is the squared loss of a margin of -1.
    """
    check_positive("cap", cap)
    return squared(margin).clamp(max=cap)


def squared_of_truncated_model(margin: Tensor) -> Tensor:
    """The squared loss of a model whose output is clipped to [-1, 1]."""
    return squared(margin.clamp(-1, 1))


def focal(margin: Tensor, gamma: float = 2.0) -> Tensor:
    """``(1 - P_t)^gamma (-log P_t)``; gamma >= 0."""
    return PolySeries(gamma=gamma).value(functional.logsigmoid(margin))


def gradient(loss, margin: Tensor) -> Tensor:
    """Derivative of an elementwise loss by the margin, by automatic differentiation."""
    margin = margin.detach().requires_grad_()
    return torch.autograd.grad(loss(margin).sum(), margin)[0]


def ranking_hinge(positive: Tensor, negative: Tensor, margin: float = 1.0) -> Tensor:
    """``max(0, margin - s_pos + s_neg)`` for pairs of scores.

    Args:
        positive, negative: scores of what should rank high and low, of one shape.
        margin: > 0.
    """
    check_positive("margin", margin)
    one = torch.ones_like(positive)
    return functional.margin_ranking_loss(positive, negative, one, margin=margin, reduction="none")


def contrastive(distance: Tensor, same: Tensor, margin: float = 1.0) -> Tensor:
    """``d^2`` for a pair of one class, ``max(0, margin - d)^2`` for two (Hadsell et al., 2006).

    Args:
        distance: >= 0, of the embeddings of each pair.
        same: whether the pair is of one class, of the same shape.
        margin: > 0.
    """
    check_positive("margin", margin)
    return torch.where(same, distance**2, functional.relu(margin - distance) ** 2)
