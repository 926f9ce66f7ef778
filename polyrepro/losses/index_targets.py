"""Class-index targets: which samples count, what they weigh, and the way from losses to the result.

Inside ``torch.vmap`` and ``torch.compile`` the contents of a tensor cannot be asked for, and on a
GPU the answer would have to be waited for. So :func:`split_ignored` asks only where that is free.
"""

import torch
from torch import Tensor

from polyrepro.losses.batching import merge_mapped_dimension, one_by_one, unmerged
from polyrepro.losses.reduction import reduced


def split_ignored(target: Tensor, ignore_index: int, ask: bool) -> tuple[Tensor, Tensor | None]:
    """Class indices, and which samples count (bool, the shape of ``target``); None for all.

    Ignored samples get class 0: any would do, because their weight is 0. With ``ask`` the tensor's
    contents decide; without, the mask is returned always.
    """
    kept = target != ignore_index
    if ask and target.device.type == "cpu" and kept.all():
        return target, None
    return target * kept, kept


def sample_weight(
    index: Tensor, kept: Tensor | None, class_weight: Tensor | None, dtype: torch.dtype
) -> Tensor | None:
    """The weight of every sample in ``dtype``, 0 for ignored ones; None if all are 1."""
    if class_weight is None:
        return None if kept is None else kept.to(dtype)
    weight = class_weight[index]
    return weight if kept is None else weight * kept


def weighted(losses: Tensor, factor: Tensor | None) -> Tensor:
    """``losses`` times ``factor``; a factor of 0 drops a loss whatever its value is."""
    if factor is None:
        return losses
    return (losses * factor).masked_fill(factor.logical_not(), 0)


def reduced_with_slope(
    losses: Tensor, factor: Tensor | None, weight: Tensor | None, reduction: str
) -> tuple[Tensor, Tensor]:
    """The reduced losses, and the derivative of the result by every loss without its factor.

    Args:
        losses: one per sample, times its factor already.
        factor: the factors; None for 1.
        weight: ``mean`` divides by its sum; None, which goes with ``factor``, for 1.
        reduction: ``none``, ``sum`` or ``mean``.

    Returns:
        The result, and the derivatives: the shape of ``losses``, or a scalar if all are alike.
        For a mean over no sample the result is NaN and the derivative is 0, as in torch.
    """
    if factor is None:
        share = 1 / max(losses.numel(), 1) if reduction == "mean" else 1.0
        return reduced(losses, None, reduction), losses.new_full((), share)
    if reduction != "mean":
        return reduced(losses, None, reduction), factor
    mass = weight.sum()
    return losses.sum() / mass, (factor / mass).nan_to_num()


def mapped_over_samples(function, info, in_dims, arguments: tuple) -> tuple[tuple, tuple]:
    """The rule for ``torch.vmap`` of an autograd function for class indices.

    Its arguments are logits, target, class weight, options, ignore_index and reduction, its first
    output is the loss, the last one the derivative that :func:`reduced_with_slope` returns.
    """
    logits, target, class_weight, *options, ignore_index, reduction = arguments
    if in_dims[2] is not None:
        return one_by_one(function, info, in_dims, arguments)
    size, (logits, target) = merge_mapped_dimension(info, in_dims, logits, target)
    losses, *others, factor = function.apply(
        logits, target, class_weight, *options, ignore_index, "none"
    )
    index, kept = split_ignored(target, ignore_index, ask=False)
    weight = sample_weight(index, kept, class_weight, losses.dtype)
    losses, factor, weight, *others = unmerged(
        size, (losses, factor.expand(losses.shape), weight, *others)
    )
    loss, slope = torch.vmap(lambda *each: reduced_with_slope(*each, reduction))(
        losses, factor, weight
    )
    return (loss, *others, slope), (0,) * (len(others) + 2)
