"""What a job calls to train a segmentation of the foreground in range images."""

import json
import math
import sys
from pathlib import Path
from time import perf_counter
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from polyrepro.classification.batches import Batch
from polyrepro.classification.failures import ADVICE, TrainingError, not_finite_loss
from polyrepro.classification.randomness import generator
from polyrepro.compact_predictions import write_arrays
from polyrepro.data.lidar.lidar_format import LidarData
from polyrepro.data.lidar.range_images import RangeImages, range_images
from polyrepro.errors import DeviceError
from polyrepro.files import PREDICTIONS_FILE, TARGET_PROBABILITY_FILE, write_atomically
from polyrepro.losses.target_probability_sums import BINS, GROUPS, means_of, summarised
from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import interrupted
from polyrepro.running.records import Outcome
from polyrepro.runs import Run
from polyrepro.segmentation.metrics import segmentation_metrics
from polyrepro.segmentation.prepare import prepare
from polyrepro.segmentation.scores import group_sums, score_counts

SPLITS = ("validation", "test")
SHOWN = 1
"""Of so many sweeps, the first of the test split, each pixel's probability is kept for a figure."""


def train_run(
    run: Run, data: LidarData, folder: Path, identity: str, execution: Execution
) -> Outcome:
    """Train in the run's folder, from its last checkpoint on, and evaluate.

    Besides the history the folder gets `target_probability.jsonl` (P_t over training, as of a
    detector) and `predictions.npz`: by split `<split>_scores`, the counts of
    :func:`polyrepro.segmentation.scores.score_counts` per sweep, and `test_shown`, probabilities
    times 255 of the first test sweeps.

    Args:
        identity: of run and data; checkpoints with another one are refused.

    Returns:
        The history: per epoch of training `loss`, `seconds`, `images_per_second`, and of P_t what a
        detector's has; for validation and test sweeps, after the last epoch, the metrics of
        :func:`polyrepro.segmentation.metrics.segmentation_metrics`.

    Raises:
        TrainingError: for a loss with label smoothing or alpha; at the first loss that is not
            finite, before the optimiser steps; if predictions or metrics are not in the end.
        DeviceError: with several processes.
        CheckpointError: if there are checkpoints of another configuration.
        InterruptedTrainingError: after a signal; the checkpoint is written.
    """
    if execution.processes.count > 1:
        raise DeviceError(
            f"{run.id}: range images are trained on in one process, not in "
            f"{execution.processes.count}; leave processes_per_run out"
        )
    checkpoints = Checkpoints(folder / "checkpoints", identity, execution.processes)
    return _Training(run, data, folder, execution, checkpoints).to_the_end()


class _Training:
    """One run while it is trained."""

    def __init__(self, run, data, folder, execution: Execution, checkpoints: Checkpoints) -> None:
        self.run, self.data, self.folder = run, data, folder
        self.execution, self.checkpoints = execution, checkpoints
        self.device = execution.processes.device
        self.series = run.loss.build()
        self.images = range_images(data, "train")
        self.count = data.count("train", run.recipe.train_images)
        self.steps = math.ceil(self.count / run.recipe.batch_size)
        self.state = prepare(run, self.steps, self.device)

    def to_the_end(self) -> Outcome:
        state, epochs = self.state, self.run.recipe.epochs
        if state.restore(self.checkpoints, self.execution.processes):
            print(f"{self.run.id}: going on after step {state.position}", file=sys.stderr)
        self._keep_lines(state.position // self.steps)
        for epoch in range(state.position // self.steps, epochs):
            self._train_epoch(epoch)
        rows, arrays = [], {}
        for split in SPLITS:
            counts, shown = self._evaluate(split)
            rows.append({"epoch": epochs, "split": split} | self._metrics(split, counts))
            arrays[f"{split}_scores"] = counts.astype(np.uint16)
        arrays["test_shown"] = shown
        predictions = write_arrays(self.folder / PREDICTIONS_FILE, arrays)
        return Outcome(state.history + rows, predictions=predictions)

    def _train_epoch(self, epoch: int) -> None:
        state = self.state
        state.task.train()
        first = state.position - epoch * self.steps
        order = torch.randperm(self.count, generator=generator("order", self.run.seed, epoch))
        batches = order.split(self.run.recipe.batch_size)[first:]
        started = perf_counter() - state.seconds
        for numbers in batches:
            self._train_step(epoch, self._batch(self.images, numbers.numpy()))
            state.seconds = perf_counter() - started
            if state.position == (epoch + 1) * self.steps:
                self._end_epoch(epoch)
            self._obey()
            self._report("training")

    def _train_step(self, epoch: int, batch: Batch) -> None:
        """One step of the optimiser; the position afterwards is one more.

        P_t is summed over the first sweep of the batch: thousands of pixels are enough.
        """
        state, position = self.state, self.state.position + 1
        state.optimizer.zero_grad()
        result = state.task(batch.images, batch.targets)
        loss = result["loss"]
        if not loss.isfinite():
            where = f"at step {position} (epoch {epoch + 1})"
            raise not_finite_loss(
                self.run.id, where, [batch], loss[None], state.network, diverged=False
            )
        loss.backward()
        state.optimizer.step()
        state.scheduler.step_update(position)
        first = result["output"].detach()[:1], batch.targets[:1]
        state.part += group_sums(self.series, *first).flatten()
        state.whole += torch.stack([loss.detach().double(), loss.new_ones((), dtype=torch.double)])
        state.position = position

    def _end_epoch(self, epoch: int) -> None:
        """Append the epoch's row and its line about P_t; begin new sums."""
        state = self.state
        summary = summarised(state.part.view(len(GROUPS), -1).cpu(), BINS)
        total, steps = state.whole.tolist()
        row = {"epoch": epoch + 1, "split": "train", "loss": total / steps}
        row |= {"seconds": state.seconds, "images_per_second": self.count / state.seconds}
        state.history.append(row | means_of(summary))
        line = {"epoch": epoch + 1, "iteration": state.position, "loss": "foreground", **summary}
        self._write_lines([*self._lines(), json.dumps(line)])
        state.part.zero_()
        state.whole.zero_()
        state.seconds = 0.0

    @torch.no_grad()
    def _evaluate(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Counts per sweep, (sweeps, 1 + classes, bins), and what of the first is shown."""
        network, images = self.state.network.eval(), range_images(self.data, split)
        counts, shown = [], []
        numbers = np.arange(len(images.names))
        for start in range(0, len(numbers), self.run.recipe.batch_size):
            batch = self._batch(images, numbers[start : start + self.run.recipe.batch_size])
            logits = network(batch.images)
            if not logits.isfinite().all():
                raise TrainingError(
                    f"{self.run.id}: the network predicts NaN or infinity for {split} sweeps. "
                    f"{ADVICE}"
                )
            counts.append(score_counts(logits, batch.targets, 1 + len(self.data.classes)))
            if start < SHOWN:
                shown.append((255 * logits.sigmoid()).round().to(torch.uint8).cpu())
            self._obey()
            self._report("evaluating")
        return torch.cat(counts).numpy(), torch.cat(shown)[:SHOWN].numpy()

    def _metrics(self, split: str, counts: np.ndarray) -> dict[str, float]:
        found = segmentation_metrics(counts.sum(0), self.data.classes)
        metrics = {name: float(value) for name, value in found.items()}
        wrong = [f"{n} = {value}" for n, value in metrics.items() if not math.isfinite(value)]
        if wrong:
            raise TrainingError(
                f"{self.run.id}: the evaluation on the {split} sweeps gives {', '.join(wrong)}; "
                "look at the annotations of this split"
            )
        return metrics

    def _batch(self, images: RangeImages, numbers: np.ndarray) -> Batch:
        def moved(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array[numbers]).to(self.device)

        pixels = moved(images.images).contiguous(memory_format=torch.channels_last)
        return Batch(pixels, moved(images.labels), [images.names[n] for n in numbers])

    def _obey(self) -> None:
        """Save and stop after a signal; save if the interval has passed."""
        if self.execution.stop_requested:
            self._stop()
        if self.checkpoints.due:
            self.state.save(self.checkpoints, self.execution.processes)

    def _stop(self) -> NoReturn:
        self.state.save(self.checkpoints, self.execution.processes)
        raise interrupted(self.run.id, self.state.position, self.execution.interruption)

    def _report(self, activity: str) -> None:
        steps = self.run.recipe.epochs * self.steps
        self.execution.report(self.state.position, steps, self.state.history, activity)

    def _lines(self) -> list[str]:
        path = self.folder / TARGET_PROBABILITY_FILE
        return path.read_text().splitlines() if path.exists() else []

    def _keep_lines(self, epochs: int) -> None:
        """Leave out what was written after the checkpoint: it is written again."""
        self._write_lines(self._lines()[:epochs])

    def _write_lines(self, lines: list[str]) -> None:
        write_atomically(self.folder / TARGET_PROBABILITY_FILE, "".join(f"{x}\n" for x in lines))
