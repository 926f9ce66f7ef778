"""A run before its first step: network, loss, optimiser and schedule from recipe and seed."""

from inspect import signature

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.task import ClassificationTask
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from polyrepro.classification.failures import TrainingError
from polyrepro.classification.metric_sums import Metrics
from polyrepro.classification.networks import build_network
from polyrepro.classification.state import TrainingState
from polyrepro.losses import SeriesCrossEntropyLoss
from polyrepro.running.processes import Processes
from polyrepro.runs import Run


def prepare(
    run: Run,
    channels: int,
    classes: int,
    steps_per_epoch: int,
    metrics: Metrics,
    processes: Processes,
    in_memory: bool = False,
) -> TrainingState:
    """The state before the first step; the initial weights depend on the seed alone.

    Args:
        channels: of the images.
        classes: of the data set.
        in_memory: whether the images are on the device already.
    """
    device = processes.device
    network, trained = build_network(run, channels, classes, processes, in_memory)
    criterion = SeriesCrossEntropyLoss(
        run.loss.build(),
        weight=_class_weights(run, classes, device),
        label_smoothing=run.label_smoothing,
    )
    task = ClassificationTask(network, criterion, device=device, verbose=False)
    optimizer = _optimizer(run, network)
    _wrap(task, trained, run, processes)
    return TrainingState(
        task,
        optimizer,
        _scheduler(run, optimizer, steps_per_epoch),
        part=metrics.none(device),
        whole=metrics.none(device),
    )


def _class_weights(run: Run, classes: int, device: torch.device) -> torch.Tensor | None:
    """The weights that the loss's alpha gives to two classes, if it has one.

    Raises:
        TrainingError: if there are other than two classes, or a step has several passes, whose
            weighted means would not add up to that of the step.
    """
    alpha = run.loss.alpha
    if alpha is None:
        return None
    if classes != 2:
        raise TrainingError(
            f"{run.id}: alpha = {alpha:g} weighs two classes, and {run.recipe.dataset} has "
            f"{classes}; leave alpha out of the variant's loss, or give the study a recipe with "
            "two classes"
        )
    if run.recipe.passes_per_step > 1:
        raise TrainingError(
            f"{run.id}: alpha = {alpha:g} needs steps of one forward pass, and this recipe has "
            f"{run.recipe.passes_per_step}; set images_per_device to {run.recipe.batch_size}"
        )
    return torch.tensor([1 - alpha, alpha], device=device)


def _optimizer(run: Run, network: nn.Module) -> torch.optim.Optimizer:
    recipe = run.recipe
    epsilon = {} if recipe.optimizer_epsilon is None else {"eps": recipe.optimizer_epsilon}
    return create_optimizer_v2(
        network,
        opt=recipe.optimizer,
        lr=run.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        **epsilon,
    )


def _scheduler(run: Run, optimizer: torch.optim.Optimizer, steps_per_epoch: int):
    recipe = run.recipe
    own = {"sched": recipe.schedule, "num_epochs": recipe.epochs}
    if recipe.schedule == "step":
        own |= {"sched": "multistep"}
    elif recipe.schedule == "linear":
        # A polynomial of degree 1, which begins at the end of the warm-up.
        falling = max(1, recipe.epochs - recipe.warmup_epochs)
        own = {"sched": "poly", "decay_rate": 1.0, "warmup_prefix": True, "num_epochs": falling}
    scheduler, _ = create_scheduler_v2(
        optimizer,
        decay_milestones=list(recipe.milestones),
        warmup_epochs=recipe.warmup_epochs,
        warmup_lr=0.0,
        step_on_epochs=False,
        updates_per_epoch=steps_per_epoch,
        **own,
    )
    return scheduler


def _wrap(task: ClassificationTask, trained: nn.Module, run: Run, processes: Processes) -> None:
    """Moving average, what the steps call, and gradient exchange, in the order they need."""
    if run.recipe.ema_decay is not None:
        task.setup_ema(decay=run.recipe.ema_decay)
    # Evaluated without the exchange of gradients.
    task.trainable_module = task.eval_model = trained
    if processes.count > 1:
        ids = [processes.device.index] if processes.device.type == "cuda" else None
        # Running statistics are averaged once per step; see `RunningStatistics`. Older versions of
        # torch know the option by another name.
        new = "forward_sync_buffers" in signature(DistributedDataParallel).parameters
        option = "forward_sync_buffers" if new else "broadcast_buffers"
        task.prepare_distributed(device_ids=ids, **{option: False})
