"""The training loop: one run from initial weights to its history of metrics."""

import math
import sys
import time
from collections.abc import Iterator

import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.task import ClassificationTask
from tqdm import tqdm

from polyrepro.classification import models  # noqa: F401  (registers the embedded network)
from polyrepro.classification.batches import Batch, MemoryBatches
from polyrepro.classification.checkpoints import Checkpoints
from polyrepro.classification.evaluation import PredictionMeter, evaluate
from polyrepro.classification.randomness import seed_global_draws
from polyrepro.classification.runs import Run
from polyrepro.classification.state import TrainingState
from polyrepro.data import ImageArrays
from polyrepro.errors import PolyreproError
from polyrepro.interruption import InterruptedTrainingError, Interruption
from polyrepro.losses import PolyCrossEntropyLoss, PolySeries

PARTS_PER_EPOCH = 5
"""Gradient shares change fastest in the first epoch, so training metrics are kept per fifth."""


class TrainingError(PolyreproError):
    """A run that cannot go on; it leaves no record."""


def train(
    run: Run,
    data: ImageArrays,
    device: torch.device,
    checkpoints: Checkpoints | None = None,
    interruption: Interruption | None = None,
) -> list[dict]:
    """Train one run and return its history.

    Args:
        checkpoints: where to go on from, and to save to when due; None saves nothing.
        interruption: asked after each step whether to save and stop.

    Returns:
        One row per split and time: `epoch` (passes over the data, fractional inside an epoch),
        `split` and the metrics of `PredictionMeter.compute`; rows of split `train` at whole epochs
        also have `seconds` and `images_per_second`.

    Raises:
        TrainingError: at the first loss that is not finite, before the optimiser steps.
        InterruptedTrainingError: after an interruption; the checkpoint is written.
        CheckpointError: if there are checkpoints of another configuration.
    """
    batches = MemoryBatches(data, run.recipe, run.seed, device)
    series = PolySeries(run.loss.epsilon, run.loss.terms, run.loss.gamma)
    state = _prepare(run, data, batches.steps_per_epoch, series, device)
    if checkpoints is not None and checkpoints.restore(state):
        print(f"{run.id}: going on after step {state.position}", file=sys.stderr)

    def save_if_asked() -> None:
        stop = interruption is not None and interruption.requested is not None
        if checkpoints is not None and (stop or checkpoints.due):
            checkpoints.save(state)
        if stop:
            raise InterruptedTrainingError(
                f"{run.id} stopped after step {state.position} on "
                f"{interruption.requested.name}; run the same command again to go on"
            )

    progress = tqdm(
        total=run.recipe.epochs * batches.steps_per_epoch,
        initial=state.position,
        desc=run.id,
        unit="step",
        leave=False,
        disable=not sys.stderr.isatty(),
    )
    with progress:
        for epoch in range(state.position // batches.steps_per_epoch, run.recipe.epochs):
            for _ in _train_epoch(run, epoch, batches, state):
                progress.update()
                # The end of the epoch has its turn below, once it has been evaluated.
                if state.position % batches.steps_per_epoch:
                    save_if_asked()
            for split in ("validation", "test"):
                metrics = evaluate(
                    state.task.get_eval_model(), batches, split, series, data.class_groups
                )
                state.history.append({"epoch": epoch + 1, "split": split} | metrics)
            save_if_asked()
    return state.history


def _prepare(
    run: Run, data: ImageArrays, steps_per_epoch: int, series: PolySeries, device: torch.device
) -> TrainingState:
    """The state before the first step; the initial weights depend on the seed alone."""
    recipe = run.recipe
    seed_global_draws(device, "initial weights", run.seed)
    model = timm.create_model(recipe.model, in_chans=1, num_classes=len(data.classes))
    criterion = PolyCrossEntropyLoss(run.loss.epsilon, terms=run.loss.terms, gamma=run.loss.gamma)
    task = ClassificationTask(model.to(device), criterion, device=device, verbose=False)
    optimizer = create_optimizer_v2(
        model,
        opt="sgd",
        lr=run.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
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
    return TrainingState(
        task, optimizer, scheduler, part=PredictionMeter(series), whole=PredictionMeter(series)
    )


def _train_epoch(
    run: Run, epoch: int, batches: MemoryBatches, state: TrainingState
) -> Iterator[None]:
    """The remaining steps of an epoch, one per `next`; appends rows for its parts and the whole."""
    state.task.train()
    steps = batches.steps_per_epoch
    part_ends = {math.ceil(steps * part / PARTS_PER_EPOCH) for part in range(1, PARTS_PER_EPOCH)}
    part_ends.discard(steps)  # the end of the epoch has its own row
    first_step = state.position % steps
    started = time.perf_counter() - state.seconds
    for step, batch in enumerate(batches.train(epoch, first_step), start=first_step + 1):
        _train_step(run, epoch, batch, state)
        state.seconds = time.perf_counter() - started
        if step in part_ends:
            row = {"epoch": epoch + step / steps, "split": "train"} | state.part.compute()
            state.history.append(row)
            state.part.reset()
        if step == steps:
            images = steps * min(run.recipe.batch_size, batches.train_images)
            row = {"epoch": epoch + 1, "split": "train"} | state.whole.compute()
            row |= {"seconds": state.seconds, "images_per_second": images / state.seconds}
            state.history.append(row)
            state.part.reset()
            state.whole.reset()
            state.seconds = 0.0
        yield


def _train_step(run: Run, epoch: int, batch: Batch, state: TrainingState) -> None:
    """One step of the optimiser; the position afterwards is one more."""
    position = state.position + 1
    # Whatever the model draws itself (dropout) depends on the position alone.
    seed_global_draws(state.task.device, "step", run.seed, position)
    result = state.task(batch.images, batch.labels)
    if not torch.isfinite(result["loss"]):
        raise TrainingError(
            f"{run.id}: the loss is {result['loss'].item()} at step {position} "
            f"(epoch {epoch + 1}); the weights before it are finite. "
            "Lower the learning rate or choose another epsilon"
        )
    state.optimizer.zero_grad()
    result["loss"].backward()
    state.optimizer.step()
    state.scheduler.step_update(position)
    for meter in (state.part, state.whole):
        meter.update(result["output"], batch.labels)
    state.position = position
