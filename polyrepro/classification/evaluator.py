"""The evaluation of a network on whole splits."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NoReturn

import torch
from torch import Tensor, nn

from polyrepro.classification.batch_sources import Batches
from polyrepro.classification.failures import require_finite
from polyrepro.classification.final_measurements import FinalMeasurements
from polyrepro.classification.metric_sums import Metrics
from polyrepro.classification.networks import compiles
from polyrepro.running.execution import Execution
from polyrepro.runs import Run


class Evaluator:
    """Measures the network of a run on whole splits, each image once, over all processes.

    Args:
        autocast: makes the context of a forward pass.
        stop: called by all processes together after one of them was interrupted; it raises.
        report: called after each batch with what is being done.

    Attributes:
        final: what is measured after the last epoch only.
    """

    def __init__(
        self,
        run: Run,
        batches: Batches,
        metrics: Metrics,
        execution: Execution,
        autocast: Callable[[], AbstractContextManager],
        stop: Callable[[], NoReturn],
        report: Callable[[str], None],
    ) -> None:
        self._run, self._batches, self._metrics = run, batches, metrics
        self._execution, self._autocast = execution, autocast
        self._stop, self._report = stop, report
        self._processes = execution.processes
        self._full = 0  # images of the largest batch so far
        self._parts = 1  # forward passes for a batch
        self.final = FinalMeasurements(metrics, self._processes)

    @torch.no_grad()  # compiled code is made again for tensors of inference mode
    def evaluate(self, model: nn.Module, split: str, epoch: int) -> dict[str, float]:
        """The metrics of a split; all processes have to call this.

        Args:
            epoch: how many are done; after the last one, `validation` has to come before `test`.

        Returns:
            What `Metrics.values` names and, after the last epoch, `FinalMeasurements.end`.

        Raises:
            TrainingError: if a metric is not finite.
        """
        last = epoch == self._run.recipe.epochs
        model.eval()
        sums = self._metrics.none(self._processes.device)
        for logits, targets in self._outputs(model, split):
            sums += self._metrics.sums(logits, targets)
            if last:
                self.final.add(logits, targets)
        metrics = self._metrics.values(self._processes.gathered(sums).sum(dim=0))
        what = f"the evaluation of the {split} split after epoch {epoch}"
        require_finite(metrics, self._run.id, what, model)
        return metrics | (self.final.end(split) if last else {})

    def _outputs(self, model: nn.Module, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Logits and targets of this process's batches; stops with the other processes."""
        batches = self._batches.evaluation(split)
        while True:
            batch = next(batches, None)
            stop, more = self._processes.any(self._execution.stop_requested, batch is not None)
            if stop:
                self._stop()
            if not more:
                return
            if batch is not None:
                yield self._logits(model, batch.images), batch.targets
                self._report(f"evaluating {split}")

    def _logits(self, model: nn.Module, images: Tensor) -> Tensor:
        """The logits of a batch, in smaller passes from then on if the GPU's memory is too small.

        In evaluation no image changes what the network says of another one, so the logits of a
        smaller pass are the same up to rounding.
        """
        self._full = max(self._full, len(images))
        while True:
            try:
                return self._in_parts(model, images)
            except torch.OutOfMemoryError:
                if self._part_size == 1:
                    raise
            # Outside of the handler: the error's traceback holds what the pass had computed.
            torch.cuda.empty_cache()
            before = self._part_size
            self._parts *= 2
            self._execution.note(
                self._run.id,
                f"the GPU ran out of memory while evaluating {before} images at a time; went on "
                f"with {self._part_size} at a time, which gives the same metrics up to rounding",
            )

    @property
    def _part_size(self) -> int:
        return math.ceil(self._full / self._parts)

    def _in_parts(self, model: nn.Module, images: Tensor) -> Tensor:
        parts = [self._pass(model, part) for part in images.split(self._part_size)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _pass(self, model: nn.Module, images: Tensor) -> Tensor:
        """The logits of one forward pass; a compiled network gets full ones only."""
        count = len(images)
        if compiles(self._run.recipe, self._processes.device):
            images = filled_up(images, self._part_size)
        with self._autocast():
            return model(images)[:count]


def filled_up(images: Tensor, count: int) -> Tensor:
    """So many images, the last ones empty: another number of them would be compiled anew."""
    missing = count - len(images)
    if not missing:
        return images
    return torch.cat([images, images.new_zeros(missing, *images.shape[1:])])
