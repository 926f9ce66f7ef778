"""The training loop: one run from initial weights to its history of metrics."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor, nn
from tqdm import tqdm

from polyrepro.classification.batch_sources import make_batches
from polyrepro.classification.batches import Batch
from polyrepro.classification.divergence import rows_of_guessing
from polyrepro.classification.evaluator import Evaluator
from polyrepro.classification.failures import DivergedError, has_diverged, not_finite_loss
from polyrepro.classification.host_copy import copied_to_host
from polyrepro.classification.initial_state import prepare
from polyrepro.classification.metric_sums import Metrics
from polyrepro.classification.predictions import Predictions
from polyrepro.classification.randomness import seed_global_draws
from polyrepro.classification.running_statistics import RunningStatistics
from polyrepro.classification.training_metrics import TrainingMetrics
from polyrepro.data import ImageArrays
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import interrupted
from polyrepro.runs import Run

PARTS_PER_EPOCH = 5
"""Gradient shares change fastest in the first epoch, so training metrics are kept per fifth."""


class StepDecision(NamedTuple):
    """What all processes do after a step.

    Attributes:
        stop: a signal came to one of them.
        save: the interval between checkpoints has passed.
    """

    stop: bool
    save: bool


class Trained(NamedTuple):
    """What a finished training leaves.

    Attributes:
        history: one row per split and time: `epoch` (passes over the data, fractional inside an
            epoch), `split` and the metrics of `Metrics.values`; rows of split `train` at whole
            epochs also have `seconds` and `images_per_second`, the last of split `test` the
            metrics of `FinalMeasurements.end`.
        network: the network whose weights count: the moving average, if there is one.
        predictions: of the final network, by split; empty if the run has diverged.
        diverged: how it has, in words; None for a run that has not. The last rows of the history
            are then those of `rows_of_guessing`.
    """

    history: list[dict]
    network: nn.Module
    predictions: dict[str, Predictions]
    diverged: str | None = None


def train(
    run: Run,
    data: ImageArrays,
    execution: Execution,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Train one run.

    Args:
        checkpoints: where to go on from, and to save to when due; None saves nothing.

    Raises:
        TrainingError: at the first loss that is not finite, before the optimiser steps, and at the
            first metric that is not finite; not for a run that has diverged and may do so.
        InterruptedTrainingError: after an interruption; the checkpoint is written.
        CheckpointError: if there are checkpoints of another configuration.
    """
    return _Training(run, data, execution, checkpoints).to_the_end()


class _Training:
    """One run while it is trained."""

    def __init__(self, run, data, execution: Execution, checkpoints: Checkpoints | None) -> None:
        self.run, self.execution, self.checkpoints = run, execution, checkpoints
        self.data = data
        self.processes = execution.processes
        self.batches = make_batches(data, run, execution)
        metrics = Metrics(run.loss.build(), data.class_groups)
        self.state = prepare(
            run,
            data.channels,
            len(data.classes),
            self.batches.steps_per_epoch,
            metrics,
            self.processes,
            in_memory=not isinstance(data, IndexedImages) and execution.pass_parts == 1,
        )
        self.training_metrics = TrainingMetrics(run.id, self.state, metrics, self.processes)
        self.running_statistics = RunningStatistics(
            self.state.network, self.processes, run.recipe.passes_per_step
        )
        self.evaluator = Evaluator(
            run, self.batches, metrics, execution, self._autocast, self._stop, self._report
        )

    def to_the_end(self) -> Trained:
        run, state, steps = self.run, self.state, self.batches.steps_per_epoch
        if self.checkpoints is not None and state.restore(self.checkpoints, self.processes):
            self._say(f"going on after step {state.position}")
        progress = tqdm(
            total=run.recipe.epochs * steps,
            initial=state.position,
            desc=run.id,
            unit="step",
            leave=False,
            disable=not (sys.stderr.isatty() and self.processes.first),
        )
        with progress:
            try:
                for epoch in range(state.evaluated, run.recipe.epochs):
                    for decision in self._train_epoch(epoch):
                        progress.update()
                        self._report()
                        self._carry_out(decision)
                    self._end_epoch(epoch)
            except DivergedError as error:
                if not run.may_diverge:
                    raise
                groups = tuple(self.data.class_groups)
                state.history += rows_of_guessing(
                    run, state.position, len(self.data.classes), groups
                )
                return Trained(state.history, state.kept_network, {}, diverged=str(error))
        return Trained(state.history, state.kept_network, self.evaluator.final.predictions)

    def _end_epoch(self, epoch: int) -> None:
        """Evaluate, and save if that is due."""
        state, epochs = self.state, self.run.recipe.epochs
        # All rows or none: an interruption in between repeats the whole evaluation. Test images
        # are looked at once, when nothing can be chosen any more.
        splits = ("validation", "test") if epoch + 1 == epochs else ("validation",)
        state.history += [
            {"epoch": epoch + 1, "split": split} | self._evaluate(split) for split in splits
        ]
        state.evaluated = epoch + 1
        self._report()
        # A checkpoint has no predictions; without one here, a resumed run makes them again.
        if state.evaluated < epochs:
            self._carry_out(self._decide())

    def _train_epoch(self, epoch: int) -> Iterator[StepDecision]:
        """The remaining steps of an epoch; appends rows for its parts and the whole."""
        state, steps = self.state, self.batches.steps_per_epoch
        first_step = state.position - epoch * steps
        if first_step == steps:
            return  # only the evaluation is left
        state.task.train()
        ends = {math.ceil(steps * part / PARTS_PER_EPOCH) for part in range(1, PARTS_PER_EPOCH + 1)}
        started = time.perf_counter() - state.seconds
        for step, passes in enumerate(self.batches.train(epoch, first_step), start=first_step + 1):
            decision = self._train_step(epoch, passes)
            state.seconds = time.perf_counter() - started
            if step in ends:
                self._end_part(epoch, step)
            yield decision

    def _end_part(self, epoch: int, step: int) -> None:
        """Append the row of a part of the epoch; the last one's is that of the whole epoch."""
        state, steps = self.state, self.batches.steps_per_epoch
        if step < steps:
            metrics = self.training_metrics.end_part()
            state.history.append({"epoch": epoch + step / steps, "split": "train"} | metrics)
            return
        row = {"epoch": epoch + 1, "split": "train"} | self.training_metrics.end_epoch()
        images = steps * min(self.run.recipe.batch_size, self.batches.train_images)
        row |= {"seconds": state.seconds, "images_per_second": images / state.seconds}
        state.seconds = 0.0
        state.history.append(row)

    def _train_step(self, epoch: int, passes: list[Batch]) -> StepDecision:
        """One step of the optimiser; the position afterwards is one more."""
        state, position = self.state, self.state.position + 1
        images = sum(len(batch.targets) for batch in passes)
        losses: list[Tensor] = []
        state.optimizer.zero_grad()
        self.running_statistics.begin_step()
        for number, batch in enumerate(passes):
            # What the model draws itself (stochastic depth) depends on position and pass alone.
            which = number * self.processes.count + self.processes.rank
            seed_global_draws(self.processes.device, "step", self.run.seed, position, which)
            last = number == len(passes) - 1
            with nullcontext() if last else state.task.no_sync():
                with self._autocast():
                    result = state.task(batch.images, batch.targets)
                losses.append(result["loss"].detach())
                self.training_metrics.add(result["output"], batch.targets)
                on_host = copied_to_host(losses) if last else None
                part = len(batch.targets) / images
                (result["loss"] if part == 1 else result["loss"] * part).backward()
            self.running_statistics.end_pass()
        found = on_host()
        decision, failed = self._agree(not all(map(math.isfinite, found.tolist())))
        if failed:
            where = f"at step {position} (epoch {epoch + 1})"
            with self._autocast():
                own = has_diverged(passes, found, state.network)
            (diverged,) = self.processes.any(own)
            raise not_finite_loss(
                self.run.id, where, passes, found, state.network, diverged=diverged
            )
        self.running_statistics.end_step()
        state.optimizer.step()
        state.scheduler.step_update(position)
        state.task.update_ema(step=position)
        state.position = position
        return decision

    def _evaluate(self, split: str) -> dict[str, float]:
        """The metrics of a split after the present epoch."""
        state = self.state
        model = state.task.get_eval_model(ema=state.task.has_ema())
        return self.evaluator.evaluate(model, split, state.evaluated + 1)

    def _autocast(self):
        recipe, device = self.run.recipe, self.processes.device.type
        precision = recipe.precision if device == "cuda" else recipe.cpu_precision
        return torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else nullcontext()

    def _decide(self) -> StepDecision:
        return self._agree(False)[0]

    def _agree(self, failed: bool) -> tuple[StepDecision, bool]:
        due = self.checkpoints is not None and self.processes.first and self.checkpoints.due
        stop, save, failed = self.processes.any(self.execution.stop_requested, due, failed)
        return StepDecision(stop, save), failed

    def _carry_out(self, decision: StepDecision) -> None:
        if decision.stop:
            self._stop()
        if decision.save:
            self._save()

    def _save(self) -> None:
        if self.checkpoints is not None:
            self.state.save(self.checkpoints, self.processes)

    def _stop(self) -> NoReturn:
        """Save, if there is a place to save to, and end; all processes call this together."""
        self._save()
        raise interrupted(self.run.id, self.state.position, self.execution.interruption)

    def _report(self, activity: str = "training") -> None:
        steps = self.run.recipe.epochs * self.batches.steps_per_epoch
        self.execution.report(self.state.position, steps, self.state.history, activity)

    def _say(self, text: str) -> None:
        if self.processes.first:
            print(f"{self.run.id}: {text}", file=sys.stderr)
