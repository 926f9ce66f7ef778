"""A training of the segmentation before its first step."""

import torch
from timm.scheduler import create_scheduler_v2
from timm.task import ClassificationTask
from torch import Tensor, nn

from polyrepro.classification.failures import TrainingError
from polyrepro.classification.randomness import seed_global_draws
from polyrepro.classification.state import TrainingState
from polyrepro.data.lidar.range_images import BACKGROUND, CHANNELS
from polyrepro.losses import Series, series_binary_cross_entropy
from polyrepro.losses.target_probability_sums import BINS, GROUPS, SUMS
from polyrepro.runs import Run
from polyrepro.segmentation.network import RangeUNet


class ForegroundLoss(nn.Module):
    """A loss of the PolyLoss family with sigmoid, as a mean over the pixels with a return.

    Args:
        alpha: weight of the foreground; the background has 1 - alpha.
    """

    def __init__(self, series: Series, alpha: float) -> None:
        super().__init__()
        self.series, self.alpha = series, alpha

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Of logits and labels (sweeps, beams, columns), as `RangeImages` has them."""
        returned = labels >= 0
        target = (labels[returned] != BACKGROUND).to(logits.dtype)
        return series_binary_cross_entropy(logits[returned], target, self.series, alpha=self.alpha)


def prepare(run: Run, steps_per_epoch: int, device: torch.device) -> TrainingState:
    """The state before the first step; the initial weights depend on the seed alone.

    Its `part` holds the sums of P_t by group, flat, and `whole` the sum of the losses and the
    number of steps, both of the current epoch.

    Raises:
        TrainingError: for a loss with label smoothing or alpha.
    """
    _check_loss(run)
    recipe = run.recipe
    seed_global_draws(device, "initial weights", run.seed)
    network = RangeUNet(len(CHANNELS)).to(device, memory_format=torch.channels_last)
    criterion = ForegroundLoss(run.loss.build(), recipe.alpha)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=run.learning_rate, weight_decay=recipe.weight_decay
    )
    scheduler, _ = create_scheduler_v2(
        optimizer,
        sched="cosine",
        num_epochs=recipe.epochs,
        warmup_epochs=recipe.warmup_epochs,
        warmup_lr=0.0,
        step_on_epochs=False,
        updates_per_epoch=steps_per_epoch,
    )
    sums = torch.zeros(len(GROUPS) * (BINS + SUMS), dtype=torch.float64, device=device)
    task = ClassificationTask(network, criterion, device=device, verbose=False)
    return TrainingState(task, optimizer, scheduler, part=sums, whole=sums.new_zeros(2))


def _check_loss(run: Run) -> None:
    if run.loss.label_smoothing:
        raise TrainingError(
            f"{run.id}: label smoothing is not defined for the segmentation of range images; leave "
            "it out of the variant's loss"
        )
    if run.loss.alpha is not None:
        raise TrainingError(
            f"{run.id}: the alpha of the segmentation is that of its recipe ({run.recipe.alpha:g});"
            " leave it out of the variant's loss"
        )
