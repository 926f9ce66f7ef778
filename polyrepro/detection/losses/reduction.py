"""From element losses to a training loss, by the rules of MMDetection."""

import torch
from torch import Tensor

from polyrepro.losses.checks import REDUCTIONS


def chosen_reduction(reduction: str, override: str | None) -> str:
    """The reduction of this call.

    Raises:
        ValueError: naming the choices.
    """
    if override is None:
        return reduction
    if override not in REDUCTIONS:
        raise ValueError(
            f"reduction_override must be None or one of {REDUCTIONS}, got {override!r}"
        )
    return override


def weighted_reduction(
    losses: Tensor,
    weight: Tensor | None,
    reduction: str,
    avg_factor: float | Tensor | None,
) -> Tensor:
    """``none``, ``sum`` or ``mean`` of ``losses * weight``.

    Unlike torch's, this mean divides by the number of elements, not by the sum of the weights; with
    ``avg_factor``, as given by detectors, it divides by that. An avg_factor of 0, of an image
    without objects, gives 0.

    Args:
        losses: any shape, also empty.
        weight: None, or of a shape that can be broadcast to the losses'.

    Raises:
        ValueError: for the sum together with an avg_factor.
    """
    if weight is not None:
        losses = losses * weight
    if reduction == "none":
        return losses
    if reduction == "sum":
        if avg_factor is not None:
            raise ValueError(
                "avg_factor divides a mean; with reduction='sum' leave it out, or use 'mean'"
            )
        return losses.sum()
    if avg_factor is None:
        return losses.mean()
    # MMDetection adds the same tiny number, so that results agree to the bit.
    return losses.sum() / (avg_factor + torch.finfo(torch.float32).eps)
