"""A run before its first step: network, loss, optimiser and schedule from recipe and seed."""

from inspect import signature

import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.task import ClassificationTask
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from polyrepro.classification import models  # noqa: F401  (registers the embedded network)
from polyrepro.classification.evaluation import Metrics
from polyrepro.classification.randomness import seed_global_draws
from polyrepro.classification.state import TrainingState
from polyrepro.classification.weights import load_initial_weights
from polyrepro.losses import SeriesCrossEntropyLoss
from polyrepro.recipes import ClassificationRecipe
from polyrepro.running.processes import Processes
from polyrepro.runs import Run


def prepare(
    run: Run,
    channels: int,
    classes: int,
    steps_per_epoch: int,
    metrics: Metrics,
    processes: Processes,
) -> TrainingState:
    """The state before the first step; the initial weights depend on the seed alone.

    Args:
        channels: of the images.
        classes: of the data set.
    """
    device = processes.device
    network = _network(run, channels, classes, device)
    criterion = SeriesCrossEntropyLoss(run.loss.build(), label_smoothing=run.label_smoothing)
    task = ClassificationTask(network, criterion, device=device, verbose=False)
    optimizer = _optimizer(run, network)
    _wrap(task, run, processes)
    return TrainingState(
        task,
        optimizer,
        _scheduler(run, optimizer, steps_per_epoch),
        part=metrics.none(device),
        whole=metrics.none(device),
    )


def _network(run: Run, channels: int, classes: int, device: torch.device) -> nn.Module:
    recipe = run.recipe
    seed_global_draws(device, "initial weights", run.seed)
    network = timm.create_model(
        recipe.model,
        in_chans=channels,
        num_classes=classes,
        drop_path_rate=recipe.drop_path,
    )
    if run.initial_weights is not None:
        load_initial_weights(network, run.initial_weights)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    return network.to(device, memory_format=layout)


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


def compile_network(
    task: ClassificationTask, recipe: ClassificationRecipe, backend: str = "inductor"
) -> None:
    """Compile a network; one whose images grow once for each of their few sizes.

    By default torch takes a second size for the first of many, and compiles a network for any
    size, which is slower at all of them.
    """
    task.compile(backend, dynamic=False if recipe.growth else None)


def _wrap(task: ClassificationTask, run: Run, processes: Processes) -> None:
    """Moving average, compilation and gradient exchange, which have to come in this order."""
    recipe = run.recipe
    if recipe.ema_decay is not None:
        task.setup_ema(decay=recipe.ema_decay)
    if recipe.compile and processes.device.type == "cuda":
        compile_network(task, recipe)
    else:
        task.eval_model = task.trainable_module  # evaluated without the exchange of gradients
    if processes.count > 1:
        ids = [processes.device.index] if processes.device.type == "cuda" else None
        # Running statistics are averaged once per step; see `RunningStatistics`. Older versions of
        # torch know the option by another name.
        new = "forward_sync_buffers" in signature(DistributedDataParallel).parameters
        option = "forward_sync_buffers" if new else "broadcast_buffers"
        task.prepare_distributed(device_ids=ids, **{option: False})
