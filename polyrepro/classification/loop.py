"""The training loop: one run from initial weights to its history of metrics."""

import math
import sys
import time

import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.task import ClassificationTask
from tqdm import tqdm

from polyrepro.classification import models  # noqa: F401  (registers the embedded network)
from polyrepro.classification.batches import MemoryBatches
from polyrepro.classification.evaluation import PredictionMeter, evaluate
from polyrepro.classification.randomness import seed_global_draws
from polyrepro.classification.runs import Run
from polyrepro.data import ImageArrays
from polyrepro.errors import PolyreproError
from polyrepro.losses import PolyCrossEntropyLoss, PolySeries

PARTS_PER_EPOCH = 5
"""Gradient shares change fastest in the first epoch, so training metrics are kept per fifth."""


class TrainingError(PolyreproError):
    """A run that cannot go on; it leaves no record."""


def train(run: Run, data: ImageArrays, device: torch.device) -> list[dict]:
    """Train one run and return its history.

    Returns:
        One row per split and time: `epoch` (passes over the data, fractional inside an epoch),
        `split` and the metrics of `PredictionMeter.compute`; rows of split `train` at whole epochs
        also have `seconds` and `images_per_second`.

    Raises:
        TrainingError: at the first loss that is not finite, before the optimiser steps.
    """
    batches = MemoryBatches(data, run.recipe, run.seed, device)
    task, optimizer, scheduler = _prepare(run, data, batches.steps_per_epoch, device)
    series = PolySeries(run.loss.epsilon, run.loss.terms, run.loss.gamma)
    history = []
    progress = tqdm(
        total=run.recipe.epochs * batches.steps_per_epoch,
        desc=run.id,
        unit="step",
        leave=False,
        disable=not sys.stderr.isatty(),
    )
    with progress:
        for epoch in range(run.recipe.epochs):
            started = time.perf_counter()
            rows = _train_epoch(run, epoch, batches, task, optimizer, scheduler, series, progress)
            seconds = time.perf_counter() - started
            images = batches.steps_per_epoch * min(run.recipe.batch_size, batches.train_images)
            rows[-1] |= {"seconds": seconds, "images_per_second": images / seconds}
            history += rows
            for split in ("validation", "test"):
                metrics = evaluate(task.get_eval_model(), batches, split, series, data.class_groups)
                history.append({"epoch": epoch + 1, "split": split} | metrics)
    return history


def _prepare(run: Run, data: ImageArrays, steps_per_epoch: int, device: torch.device):
    """Build task, optimiser and per-step schedule; the initial weights depend on the seed alone."""
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
    return task, optimizer, scheduler


def _train_epoch(run, epoch, batches, task, optimizer, scheduler, series, progress) -> list[dict]:
    """One pass over the training images; returns rows for the parts of the epoch and the whole."""
    task.train()
    steps = batches.steps_per_epoch
    part_ends = {math.ceil(steps * part / PARTS_PER_EPOCH) for part in range(1, PARTS_PER_EPOCH)}
    part_ends.discard(steps)  # the end of the epoch has its own row
    part, whole, rows = PredictionMeter(series), PredictionMeter(series), []
    for step, batch in enumerate(batches.train(epoch), start=1):
        position = epoch * steps + step
        # Whatever the model draws itself (dropout) depends on the position alone.
        seed_global_draws(task.device, "step", run.seed, position)
        result = task(batch.images, batch.labels)
        if not torch.isfinite(result["loss"]):
            raise TrainingError(
                f"{run.id}: the loss is {result['loss'].item()} at step {position} "
                f"(epoch {epoch + 1}); the weights before it are finite. "
                "Lower the learning rate or choose another epsilon"
            )
        optimizer.zero_grad()
        result["loss"].backward()
        optimizer.step()
        scheduler.step_update(position)
        for meter in (part, whole):
            meter.update(result["output"], batch.labels)
        if step in part_ends:
            rows.append({"epoch": epoch + step / steps, "split": "train"} | part.compute())
            part.reset()
        progress.update()
    return [*rows, {"epoch": epoch + 1, "split": "train"} | whole.compute()]
