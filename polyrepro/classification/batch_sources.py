"""What the training loop needs of a data set, whether it lives in memory or on disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from polyrepro.classification.batches import Batch, MemoryBatches
from polyrepro.classification.colour_batches import ColourBatches
from polyrepro.classification.streaming import StreamingBatches
from polyrepro.classification.synthetic import SyntheticBatches
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.running.execution import Execution
from polyrepro.runs import Run


class Batches(Protocol):
    """Batches of one data set for one process; see `MemoryBatches` for what the methods promise."""

    train_images: int
    steps_per_epoch: int

    def train(self, epoch: int, first_step: int = 0) -> Iterator[list[Batch]]: ...

    def evaluation(self, split: str) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class SmallerPasses:
    """The same steps, each of whose passes is made in several parts (never of no image)."""

    whole: Batches
    parts: int

    @property
    def train_images(self) -> int:
        """Number of training images."""
        return self.whole.train_images

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the optimiser."""
        return self.whole.steps_per_epoch

    def train(self, epoch: int, first_step: int = 0) -> Iterator[list[Batch]]:
        """This process's passes of each step of an epoch."""
        for passes in self.whole.train(epoch, first_step):
            yield [part for batch in passes for part in batch.split(self.parts)]

    def evaluation(self, split: str) -> Iterator[Batch]:
        """Unchanged: the evaluation makes its own passes smaller where it has to."""
        return self.whole.evaluation(split)


def make_batches(data, run: Run, execution: Execution) -> Batches:
    """The batches of a run's data set, with passes as small as the execution wants them."""
    whole = _batches(data, run, execution)
    return SmallerPasses(whole, execution.pass_parts) if execution.pass_parts > 1 else whole


def _batches(data, run: Run, execution: Execution) -> Batches:
    """Synthetic data are their own batches."""
    if isinstance(data, SyntheticBatches):
        return data
    if isinstance(data, IndexedImages):
        return StreamingBatches(data, run.recipe, run.seed, execution.processes, execution.workers)
    if data.channels == 3:
        return ColourBatches(data, run.recipe, run.seed, execution.processes)
    return MemoryBatches(data, run.recipe, run.seed, execution.processes)
