"""Trainings that cannot go on, and what their errors say of the network."""

import math

import torch
from torch import Tensor, nn

from polyrepro.classification.batches import Batch
from polyrepro.errors import PolyreproError

ADVICE = "Lower the learning rate or choose another epsilon."


class TrainingError(PolyreproError):
    """A run that cannot go on; it leaves neither a record nor weights."""


class DivergedError(TrainingError):
    """The network itself has left the range of numbers; for some runs that is a result."""


def not_finite_loss(
    run_id: str,
    where: str,
    passes: list[Batch],
    losses: Tensor,
    network: nn.Module,
    *,
    diverged: bool,
) -> TrainingError:
    """The error for a step whose loss is not finite, raised before the optimiser steps.

    Args:
        where: the step, for example `at step 3 (epoch 1)`.
        passes: the batches of this process, with one loss each.
        diverged: whether some process found that `has_diverged`.
    """
    kind = DivergedError if diverged else TrainingError
    for batch, loss in zip(passes, losses, strict=True):
        if not loss.isfinite():
            return kind(
                f"{run_id}: the loss is {loss.item()} {where}; {_finite_or_not(network)}. {ADVICE} "
                f"The images were: {_first(batch.names, 10)}"
            )
    return kind(f"{run_id}: another process found a loss that is not finite {where}")


@torch.no_grad()
def has_diverged(passes: list[Batch], losses: Tensor, network: nn.Module) -> bool:
    """Whether a loss is not finite because the network's predictions are not.

    Otherwise the images or the loss function are to blame, which is never a result.
    """
    for batch, loss in zip(passes, losses, strict=True):
        if not loss.isfinite():
            log_p = network(batch.images).float().log_softmax(dim=1)
            return bool(batch.images.isfinite().all()) and not bool(log_p.isfinite().all())
    return False


def require_finite(metrics: dict[str, float], run_id: str, what: str, network: nn.Module) -> None:
    """Refuse metrics that no record can hold.

    Args:
        what: was measured, for example `the evaluation of the test split after epoch 3`.
        network: the one that was measured.

    Raises:
        DivergedError: if the cross-entropy is NaN or infinite, which the network is to blame for.
        TrainingError: if another metric is.
    """
    broken = [f"{name} {value}" for name, value in metrics.items() if not math.isfinite(value)]
    if broken:
        kind = TrainingError if math.isfinite(metrics["cross_entropy"]) else DivergedError
        raise kind(
            f"{run_id}: {what} gives {', '.join(broken)}; {_finite_or_not(network)}. {ADVICE}"
        )


def _finite_or_not(network: nn.Module) -> str:
    """What a look at all weights and running statistics says."""
    tensors = network.state_dict()
    broken = [name for name, value in tensors.items() if not value.isfinite().all()]
    if not broken:
        return "all weights and running statistics of the network are finite"
    return f"not finite in the network: {_first(broken, 3)}"


def _first(names: list[str], count: int) -> str:
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")
