"""What the training loop needs of a data set, whether it lives in memory or on disk."""

from collections.abc import Iterator
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


def make_batches(data, run: Run, execution: Execution) -> Batches:
    """The batches of a run's data set; synthetic data are their own."""
    if isinstance(data, SyntheticBatches):
        return data
    if isinstance(data, IndexedImages):
        return StreamingBatches(data, run.recipe, run.seed, execution.processes, execution.workers)
    if data.channels == 3:
        return ColourBatches(data, run.recipe, run.seed, execution.processes)
    return MemoryBatches(data, run.recipe, run.seed, execution.processes)
