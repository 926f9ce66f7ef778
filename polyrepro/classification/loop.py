"""The training loop: one run from initial weights to its history of metrics."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from polyrepro.classification.batch_sources import make_batches
from polyrepro.classification.batches import Batch
from polyrepro.classification.checkpoints import Checkpoints
from polyrepro.classification.evaluation import Metrics
from polyrepro.classification.host_copy import copied_to_host
from polyrepro.classification.prepare import prepare
from polyrepro.classification.randomness import seed_global_draws
from polyrepro.classification.running_statistics import RunningStatistics
from polyrepro.classification.state import TrainingState
from polyrepro.data import ImageArrays
from polyrepro.errors import PolyreproError
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import InterruptedTrainingError
from polyrepro.runs import Run

PARTS_PER_EPOCH = 5
"""Gradient shares change fastest in the first epoch, so training metrics are kept per fifth."""

PENDING_LOGITS = 100_000
"""Metrics are summed over so many logits at a time: for few of them it costs 5 % of a step of the
embedded network to call that many small operations, while a pass over ImageNet has more."""


class TrainingError(PolyreproError):
    """A run that cannot go on; it leaves no record."""


class Asked(NamedTuple):
    """What the processes agreed on after a step.

    Attributes:
        to_stop: one of them was told to make room.
        to_save: the interval between checkpoints has passed.
    """

    to_stop: bool
    to_save: bool


def train(
    run: Run,
    data: ImageArrays,
    execution: Execution,
    checkpoints: Checkpoints | None = None,
) -> TrainingState:
    """Train one run; the history of the state that is returned is its result.

    Args:
        checkpoints: where to go on from, and to save to when due; None saves nothing.

    Returns:
        The final state. Its history has one row per split and time: `epoch` (passes over the data,
        fractional inside an epoch), `split` and the metrics of `Metrics.values`; rows of split
        `train` at whole epochs also have `seconds` and `images_per_second`.

    Raises:
        TrainingError: at the first loss that is not finite, before the optimiser steps.
        InterruptedTrainingError: after an interruption; the checkpoint is written.
        CheckpointError: if there are checkpoints of another configuration.
    """
    return _Training(run, data, execution, checkpoints).to_the_end()


class _Training:
    """One run while it is trained."""

    def __init__(self, run, data, execution: Execution, checkpoints: Checkpoints | None) -> None:
        self.run, self.execution, self.checkpoints = run, execution, checkpoints
        self.processes = execution.processes
        self.batches = make_batches(data, run, execution)
        self.metrics = Metrics(run.loss.build(), data.class_groups)
        self.state = prepare(
            run,
            data.channels,
            len(data.classes),
            self.batches.steps_per_epoch,
            self.metrics,
            self.processes,
        )
        self.running_statistics = RunningStatistics(
            self.state.network, self.processes, run.recipe.passes_per_step
        )

    def to_the_end(self) -> TrainingState:
        run, state, steps = self.run, self.state, self.batches.steps_per_epoch
        if self.checkpoints is not None and self.checkpoints.restore(state):
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
            for epoch in range(state.evaluated, run.recipe.epochs):
                for asked in self._train_epoch(epoch):
                    progress.update()
                    self._obey(asked)
                # Both or none: a stop in between leaves the whole evaluation to be done.
                state.history += [
                    {"epoch": epoch + 1, "split": split} | self._evaluate(split)
                    for split in ("validation", "test")
                ]
                state.evaluated = epoch + 1
                self._obey(self._asked())
        return state

    def _train_epoch(self, epoch: int) -> Iterator[Asked]:
        """The remaining steps of an epoch; appends rows for its parts and the whole."""
        state, steps = self.state, self.batches.steps_per_epoch
        first_step = state.position - epoch * steps
        if first_step == steps:
            return  # only the evaluation is left
        state.task.train()
        ends = {math.ceil(steps * part / PARTS_PER_EPOCH) for part in range(1, PARTS_PER_EPOCH + 1)}
        started = time.perf_counter() - state.seconds
        for step, passes in enumerate(self.batches.train(epoch, first_step), start=first_step + 1):
            asked = self._train_step(epoch, passes)
            state.seconds = time.perf_counter() - started
            if step in ends:
                self._end_part(epoch, step)
            yield asked

    def _end_part(self, epoch: int, step: int) -> None:
        state, steps = self.state, self.batches.steps_per_epoch
        self._sum_pending()
        state.whole += state.part
        # The last part has no row of its own: the whole epoch's stands at the same time.
        sums = state.part if step < steps else state.whole
        row = {"epoch": epoch + step / steps, "split": "train"} | self._metrics_of(sums)
        state.part.zero_()
        if step == steps:
            images = steps * min(self.run.recipe.batch_size, self.batches.train_images)
            row |= {"epoch": epoch + 1, "seconds": state.seconds}
            row |= {"images_per_second": images / state.seconds}
            state.whole.zero_()
            state.seconds = 0.0
        state.history.append(row)

    def _train_step(self, epoch: int, passes: list[Batch]) -> Asked:
        """One step of the optimiser; the position afterwards is one more."""
        state, position = self.state, self.state.position + 1
        images = sum(len(batch.targets) for batch in passes)
        losses: list[Tensor] = []
        state.optimizer.zero_grad()
        self.running_statistics.begin_step()
        for number, batch in enumerate(passes):
            # Whatever the model draws itself (dropout) depends on position and pass alone.
            which = number * self.processes.count + self.processes.rank
            seed_global_draws(self.processes.device, "step", self.run.seed, position, which)
            last = number == len(passes) - 1
            with nullcontext() if last else state.task.no_sync():
                with self._autocast():
                    result = state.task(batch.images, batch.targets)
                losses.append(result["loss"].detach())
                self._measure(result["output"], batch.targets)
                on_host = copied_to_host(losses) if last else None
                part = len(batch.targets) / images
                (result["loss"] if part == 1 else result["loss"] * part).backward()
            self.running_statistics.end_pass()
        found = on_host()
        asked, failed = self._agree(not all(map(math.isfinite, found.tolist())))
        if failed:
            raise self._not_finite(epoch, position, passes, found)
        self.running_statistics.end_step()
        state.optimizer.step()
        state.scheduler.step_update(position)
        state.task.update_ema(step=position)
        state.position = position
        return asked

    def _measure(self, logits: Tensor, targets: Tensor) -> None:
        """Have predictions counted in the metrics of training, now or with later ones."""
        pending = self.state.pending
        pending.append((logits.detach().float(), targets))
        if sum(earlier.numel() for earlier, _ in pending) >= PENDING_LOGITS:
            self._sum_pending()

    def _sum_pending(self) -> None:
        if self.state.pending:
            logits, targets = map(torch.cat, zip(*self.state.pending, strict=True))
            self.state.part += self.metrics.sums(logits, targets)
            self.state.pending.clear()

    @torch.inference_mode()
    def _evaluate(self, split: str) -> dict[str, float]:
        """Metrics over all images of a split, each counted once, whatever the processes' number."""
        model = self.state.task.get_eval_model(ema=self.state.task.has_ema())
        model.eval()
        sums = self.metrics.none(self.processes.device)
        batches = self.batches.evaluation(split)
        while True:
            batch = next(batches, None)
            stop, more = self.processes.any(self.execution.stop_requested, batch is not None)
            if stop:
                self._obey(Asked(to_stop=True, to_save=False))
            if not more:
                return self._metrics_of(sums)
            if batch is not None:
                with self._autocast():
                    logits = model(batch.images)
                sums += self.metrics.sums(logits, batch.targets)

    def _metrics_of(self, sums: Tensor) -> dict[str, float]:
        return self.metrics.values(self.processes.gathered(sums).sum(dim=0))

    def _autocast(self):
        half = self.run.recipe.precision == "bfloat16" and self.processes.device.type == "cuda"
        return torch.autocast("cuda", torch.bfloat16) if half else nullcontext()

    def _asked(self) -> Asked:
        return self._agree(False)[0]

    def _agree(self, failed: bool) -> tuple[Asked, bool]:
        due = self.checkpoints is not None and self.processes.first and self.checkpoints.due
        stop, save, failed = self.processes.any(self.execution.stop_requested, due, failed)
        return Asked(stop, save), failed

    def _obey(self, asked: Asked) -> None:
        """Save and stop, if that is what the processes agreed on."""
        if self.checkpoints is not None and (asked.to_stop or asked.to_save):
            self.checkpoints.save(self.state)
        if asked.to_stop:
            requested = self.execution.interruption and self.execution.interruption.requested
            raise InterruptedTrainingError(
                f"{self.run.id} stopped after step {self.state.position} on "
                f"{requested.name if requested else 'a signal to another process'}; run the same "
                "command again to go on"
            )

    def _not_finite(
        self, epoch: int, position: int, passes: list[Batch], losses: Tensor
    ) -> TrainingError:
        where = f"at step {position} (epoch {epoch + 1})"
        for batch, loss in zip(passes, losses, strict=True):
            if not loss.isfinite():
                shown = ", ".join(batch.names[:10])
                more = f" and {n} more" if (n := len(batch.names) - 10) > 0 else ""
                return TrainingError(
                    f"{self.run.id}: the loss is {loss.item()} {where}; the weights before it are "
                    "finite. Lower the learning rate or choose another epsilon. The images were: "
                    f"{shown}{more}"
                )
        return TrainingError(
            f"{self.run.id}: another process found a loss that is not finite {where}"
        )

    def _say(self, text: str) -> None:
        if self.processes.first:
            print(f"{self.run.id}: {text}", file=sys.stderr)
