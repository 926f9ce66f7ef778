"""Batches of a data set that is too large for memory, read and augmented by worker processes."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from polyrepro.classification.batches import Batch, passes_of
from polyrepro.classification.randomness import generator
from polyrepro.classification.views import Views
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.recipes import ClassificationRecipe
from polyrepro.running.processes import Processes


class StreamingBatches:
    """Training and evaluation batches of `IndexedImages`.

    The order of the images is a function of (seed, epoch). A step is `recipe.batch_size` of them,
    cut into `recipe.passes_per_step` parts, which are dealt to the processes in turn. So what a
    step and its passes contain depends neither on the numbers of processes and workers nor on
    restarts. Images with several classes have probabilities as targets.
    """

    def __init__(
        self,
        data: IndexedImages,
        recipe: ClassificationRecipe,
        seed: int,
        processes: Processes,
        workers: int,
    ) -> None:
        """Workers start with the first pass over the data and stay.

        Args:
            workers: processes that read for this one; 0 reads here.

        Raises:
            DeviceError: if the processes cannot share the passes of a step equally.
            DataError: if there are fewer training images than passes.
        """
        self._data, self._recipe, self._seed = data, recipe, seed
        self._processes, self._device = processes, processes.device
        self._passes = passes_of(recipe, processes)
        self._rows = evenly_spaced(data.rows("train"), recipe.train_images)
        self._step_images = min(recipe.batch_size, self.train_images)
        if self.train_images < recipe.passes_per_step:
            raise DataError(
                f"{data.name}: {self.train_images} training images are too few for the "
                f"{recipe.passes_per_step} passes of a step of {recipe.name}; use more of them, or "
                "raise images_per_device"
            )
        # (x / 255 - mean) / std as one product and one sum.
        std = torch.tensor(data.std, device=self._device)[:, None, None]
        self._scale = 1 / (255 * std)
        self._shift = -torch.tensor(data.mean, device=self._device)[:, None, None] / std
        self._keys = _Keys()
        self._loader = DataLoader(
            _Decoder(data, Views(recipe, seed)),
            batch_size=None,  # a key is a whole batch
            sampler=self._keys,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator(),  # its own: reading takes nothing from the global one
            worker_init_fn=_outlive_signals,
        )

    @property
    def train_images(self) -> int:
        """Number of training images."""
        return len(self._rows)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches per epoch; a smaller rest is left out, and differs from epoch to epoch.

        If there are fewer images than a batch, they are one.
        """
        return self.train_images // self._step_images

    def train(self, epoch: int, first_step: int = 0) -> Iterator[list[Batch]]:
        """This process's passes of each step of an epoch (counted from 0), from a step on.

        Raises:
            DataError: when the turn comes to an image that cannot be read; it is named.
        """
        order = torch.randperm(self.train_images, generator=generator("order", self._seed, epoch))
        rows = self._rows[order.numpy()]
        keys = []
        for step in range(first_step, self.steps_per_epoch):
            start = step * self._step_images
            parts = np.array_split(
                rows[start : start + self._step_images], self._recipe.passes_per_step
            )
            keys += [Key(epoch, parts[number]) for number in self._passes]
        batches = self._read(keys)
        for _ in range(first_step, self.steps_per_epoch):
            yield [next(batches) for _ in self._passes]

    def evaluation(self, split: str) -> Iterator[Batch]:
        """This process's share of a split; over all processes each image once.

        Raises:
            DataError: when the turn comes to an image that cannot be read; it is named.
        """
        rows, size = self._data.rows(split), self._recipe.images_per_device
        starts = range(self._processes.rank * size, len(rows), self._processes.count * size)
        return self._read([Key(None, rows[start : start + size]) for start in starts])

    def _read(self, keys: list["Key"]) -> Iterator[Batch]:
        number = self._keys.replace(keys)
        with _sigterm_blocked():
            arriving = iter(self._loader)  # starts the workers
        for key, decoded in zip(keys, arriving, strict=True):
            if self._keys.number != number:
                raise RuntimeError("another pass has begun over the same batches; read one at once")
            if isinstance(decoded, _Failure):
                raise DataError(decoded.message)
            yield self._batch(key.rows, decoded)

    def _batch(self, rows: np.ndarray, decoded: Tensor) -> Batch:
        """uint8 pixels (images, height, width, 3) to what the network takes."""
        pixels = decoded.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        if not self._recipe.channels_last:
            pixels = pixels.contiguous()
        images = pixels.float().mul_(self._scale).add_(self._shift)
        return Batch(images, self._targets(rows), [self._data.where(row) for row in rows])

    def _targets(self, rows: np.ndarray) -> Tensor:
        index = self._data.index
        if not self._data.several_labels:
            return self._sent(torch.from_numpy(index.labels[rows].astype(np.int64)))
        targets = torch.zeros(len(rows), len(self._data.classes))
        for target, row in zip(targets, rows, strict=True):
            several = torch.from_numpy(index.targets_of(row).astype(np.int64))
            target[several] = 1 / len(several)
        return self._sent(targets)

    def _sent(self, targets: Tensor) -> Tensor:
        """On the device; from pinned memory, because another copy would wait for the GPU."""
        if self._device.type == "cuda":
            targets = targets.pin_memory()
        return targets.to(self._device, non_blocking=True)


def evenly_spaced(rows: np.ndarray, count: int | None) -> np.ndarray:
    """`count` of the rows, None for all; of rows sorted by class, each class keeps its share."""
    if count is None or count >= len(rows):
        return rows
    return rows[np.arange(count) * len(rows) // count]


@contextmanager
def _sigterm_blocked() -> Iterator[None]:
    """Processes that start inside inherit it from the beginning, and so do all their threads."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outlive_signals(_worker: int) -> None:
    """Schedulers and Ctrl-C signal every process, but the step at hand still needs its images.

    SIGTERM from the training process itself ends a worker: that is how it shuts them down.
    """
    for number in (signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


class Key(NamedTuple):
    """A batch to read: rows of the index; `epoch` is None for evaluation."""

    epoch: int | None
    rows: np.ndarray


class _Failure(NamedTuple):
    """An error on its way out of a worker: an exception would arrive with a traceback as text."""

    message: str


class _Keys:
    """The keys that the loader is to read next."""

    def __init__(self) -> None:
        self.number, self._keys = 0, []

    def replace(self, keys: list[Key]) -> int:
        """Returns the number of the pass that reads them."""
        self._keys = keys
        self.number += 1
        return self.number

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)


class _Decoder(Dataset):
    """What a worker does: a key to pixels, uint8, (images, height, width, 3)."""

    def __init__(self, data: IndexedImages, views: Views) -> None:
        self._data, self._views = data, views

    def __getitem__(self, key: Key) -> Tensor | _Failure:
        try:
            views = [self._view(key.epoch, int(row)) for row in key.rows]
        except DataError as error:
            return _Failure(str(error))
        return torch.from_numpy(np.stack(views))

    def _view(self, epoch: int | None, row: int) -> np.ndarray:
        image, where = self._data.open(row), self._data.where(row)
        if epoch is None:
            return self._views.evaluation(image, where)
        return self._views.training(image, where, epoch, row)
