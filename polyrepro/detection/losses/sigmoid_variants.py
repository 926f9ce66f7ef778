"""Sigmoid losses where the library's function does not reach: weighted labels, probabilities."""

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses import Series


def loss_from_logits(
    logits: Tensor, labels: Tensor, series: Series, positive_weight: Tensor
) -> Tensor:
    """Element losses in which a label of 1 weighs ``positive_weight``, as in torch's BCE.

    The polynomial, which belongs to the label's expectation, has the expected weight. Computed in
    float32 at least.

    Args:
        logits, labels: any one shape (samples, ...). positive_weight: can be broadcast to it.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    labels = labels.to(logits.dtype)
    nll = -functional.logsigmoid(logits), -functional.logsigmoid(-logits)
    base = positive_weight * labels * series.base(nll[0]) + (1 - labels) * series.base(nll[1])
    q = torch.lerp(torch.sigmoid(logits), torch.sigmoid(-logits), labels)
    return series.combine(base, q, positive_weight * labels + 1 - labels)


def loss_from_probabilities(
    p: Tensor, labels: Tensor, series: Series, alpha: float | None
) -> Tensor:
    """Element losses of heads that give probabilities instead of logits.

    A probability of exactly 0 or 1 is moved to its float32 neighbour, without a gradient, so
    losses stay finite.

    Args:
        p, labels: any one shape, in [0, 1].
        alpha: weight of positives; 1 - alpha that of negatives; None for none.
    """
    p = p.to(torch.promote_types(p.dtype, torch.float32))
    p = p.clamp(torch.finfo(p.dtype).tiny, 1 - torch.finfo(p.dtype).eps / 2)
    labels = labels.to(p.dtype)
    base = labels * series.base(-torch.log(p)) + (1 - labels) * series.base(-torch.log1p(-p))
    losses = series.combine(base, torch.lerp(p, 1 - p, labels))
    if alpha is None:
        return losses
    return losses * ((1 - alpha) + (2 * alpha - 1) * labels)
