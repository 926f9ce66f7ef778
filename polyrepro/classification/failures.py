"""Trainings that cannot go on, and what their errors say of the network."""

import math

from torch import Tensor, nn

from polyrepro.classification.batches import Batch
from polyrepro.errors import PolyreproError

ADVICE = "Lower the learning rate or choose another epsilon."


class TrainingError(PolyreproError):
    """A run that cannot go on; it leaves neither a record nor weights."""


def not_finite_loss(
    run_id: str, where: str, passes: list[Batch], losses: Tensor, network: nn.Module
) -> TrainingError:
    """The error for a step whose loss is not finite, raised before the optimiser steps.

    Args:
        where: the step, for example `at step 3 (epoch 1)`.
        passes: the batches of this process, with one loss each.
    """
    for batch, loss in zip(passes, losses, strict=True):
        if not loss.isfinite():
            return TrainingError(
                f"{run_id}: the loss is {loss.item()} {where}; {_finite_or_not(network)}. {ADVICE} "
                f"The images were: {_first(batch.names, 10)}"
            )
    return TrainingError(f"{run_id}: another process found a loss that is not finite {where}")


def require_finite(metrics: dict[str, float], run_id: str, what: str, network: nn.Module) -> None:
    """Refuse metrics that no record can hold.

    Args:
        what: was measured, for example `the evaluation of the test split after epoch 3`.
        network: the one that was measured.

    Raises:
        TrainingError: if a metric is NaN or infinite.
    """
    broken = [f"{name} {value}" for name, value in metrics.items() if not math.isfinite(value)]
    if broken:
        raise TrainingError(
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
