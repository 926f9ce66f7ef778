"""What all forms have in common: the precision, and the way from losses to the result."""

import torch
from torch import Tensor


def computing_dtype(logits: Tensor) -> torch.dtype:
    """float32 for half precision, otherwise the logits' own."""
    return torch.promote_types(logits.dtype, torch.float32)


def reduced(losses: Tensor, sample_weight: Tensor | None, reduction: str) -> Tensor:
    """The losses themselves, their sum, or their mean.

    The losses are weighted already; ``mean`` divides by the sum of the weights, by the number of
    samples when there are none. A mean over no sample is NaN, as in torch.
    """
    if reduction == "none":
        return losses
    if reduction == "mean" and sample_weight is None:
        return losses.mean()
    total = losses.sum()
    return total / sample_weight.sum() if reduction == "mean" else total
