"""Batches of a data set that is too large for memory, read and augmented by worker processes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from polyrepro.classification.randomness import generator
from polyrepro.classification.views import Views
from polyrepro.data.image_arrays import DataError
from polyrepro.data.indexed_images import IndexedImages
from polyrepro.errors import PolyreproError

MOST_WORKERS = 16


class BatchError(PolyreproError):
    """A batch that cannot be divided as asked."""


@dataclass(frozen=True)
class Batch:
    """Images on the device and what they show.

    Attributes:
        images: float32, (batch, 3, height, width), normalised.
        targets: int64, (batch,), class indices; or float32, (batch, classes), summing to 1, where
            images may have several classes.
        names: paths of the images, for messages.
    """

    images: Tensor
    targets: Tensor
    names: list[str]


class StreamingBatches:
    """Training and evaluation batches of `IndexedImages`.

    An effective batch is `recipe.batch_size` images; the order of the images is a function of
    (seed, epoch). It is cut into micro-batches of `recipe.images_per_device`, the images that
    batch normalisation sees together, and process `rank` of `world` takes the micro-batches rank,
    rank + world, ... So what a step contains depends neither on the numbers of processes and
    workers nor on restarts.
    """

    def __init__(
        self,
        data: IndexedImages,
        recipe,
        seed: int,
        device: torch.device,
        *,
        rank: int = 0,
        world: int = 1,
        workers: int | None = None,
    ) -> None:
        """Workers start with the first pass and stay.

        Args:
            workers: processes that read; 0 reads in this one. By default this process's share of
                the CPU cores, at most 16.

        Raises:
            BatchError: if a step cannot be dealt evenly to micro-batches and processes.
        """
        self._data, self._recipe, self._seed, self._device = data, recipe, seed, device
        self._rank, self._world = rank, world
        self._rows = evenly_spaced(data.rows("train"), recipe.train_images)
        self._step_images = min(recipe.batch_size, self.train_images)
        _check_division(recipe, self._step_images, world)
        # (x / 255 - mean) / std as one product and one sum.
        std = torch.tensor(data.std, device=device)[:, None, None]
        self._scale = 1 / (255 * std)
        self._shift = -torch.tensor(data.mean, device=device)[:, None, None] / std
        if workers is None:
            workers = max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)) // world))
        self._pass = _Pass()
        self._loader = DataLoader(
            _Decoder(data, Views(recipe, seed)),
            batch_size=None,  # the keys are of whole micro-batches
            sampler=self._pass,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # its own: reading takes nothing from the global one
        )

    @property
    def train_images(self) -> int:
        """Number of training images."""
        return len(self._rows)

    @property
    def steps_per_epoch(self) -> int:
        """Full effective batches per epoch; a smaller rest differs from epoch to epoch."""
        return self.train_images // self._step_images

    def train(self, epoch: int, first_step: int = 0) -> Iterator[list[Batch]]:
        """This process's micro-batches of each step of an epoch (counted from 0), from one on.

        Raises:
            DataError: when the turn comes to an image that cannot be read; it is named.
        """
        order = torch.randperm(self.train_images, generator=generator("order", self._seed, epoch))
        rows = self._rows[order.numpy()]
        steps = [
            self._share(rows[step * self._step_images : (step + 1) * self._step_images], epoch)
            for step in range(first_step, self.steps_per_epoch)
        ]
        batches = self._read([key for step in steps for key in step])
        for step in steps:
            yield [next(batches) for _ in step]

    def evaluation(self, split: str) -> Iterator[Batch]:
        """This process's share of a split; all processes together see each image once.

        Raises:
            DataError: when the turn comes to an image that cannot be read; it is named.
        """
        return self._read(self._share(self._data.rows(split), None))

    def _share(self, rows: np.ndarray, epoch: int | None) -> list["Key"]:
        """Cut into micro-batches and keep those of this process."""
        size = self._recipe.images_per_device
        starts = range(self._rank * size, len(rows), self._world * size)
        return [Key(epoch, rows[start : start + size]) for start in starts]

    def _read(self, keys: list["Key"]) -> Iterator[Batch]:
        number = self._pass.begin(keys)
        for key, decoded in zip(keys, self._loader, strict=True):
            if isinstance(decoded, _Failure):
                raise DataError(decoded.message)
            if self._pass.number != number:
                raise RuntimeError("another pass has begun over the same batches; read one at once")
            yield self._batch(key.rows, decoded)

    def _batch(self, rows: np.ndarray, decoded: Tensor) -> Batch:
        """uint8 pixels (batch, height, width, 3) to what the network takes."""
        pixels = decoded.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        if not self._recipe.channels_last:
            pixels = pixels.contiguous()
        images = pixels.float().mul_(self._scale).add_(self._shift)
        return Batch(images, self._targets(rows), [self._data.where(row) for row in rows])

    def _targets(self, rows: np.ndarray) -> Tensor:
        index = self._data.index
        if not self._data.several_labels:
            return torch.from_numpy(index.labels[rows].astype(np.int64)).to(self._device)
        targets = torch.zeros(len(rows), len(self._data.classes))
        for target, row in zip(targets, rows, strict=True):
            several = torch.from_numpy(index.targets_of(row).astype(np.int64))
            target[several] = 1 / len(several)
        return targets.to(self._device)


def evenly_spaced(rows: np.ndarray, count: int | None) -> np.ndarray:
    """`count` of the rows, None for all; of rows sorted by class, each class keeps its share."""
    if count is None or count >= len(rows):
        return rows
    return rows[np.arange(count) * len(rows) // count]


def _check_division(recipe, step_images: int, world: int) -> None:
    size = recipe.images_per_device
    micro_batches = -(-step_images // size)
    if recipe.batch_size % size:
        raise BatchError(
            f"{recipe.name}: a batch of {recipe.batch_size} images cannot be cut into micro-batches"
            f" of {size}; choose images_per_device among its divisors"
        )
    if micro_batches % world:
        divisors = [n for n in range(1, micro_batches + 1) if micro_batches % n == 0]
        raise BatchError(
            f"{recipe.name}: the {micro_batches} micro-batches of a step ({step_images} images, "
            f"{size} each) cannot be dealt evenly to {world} processes; use one of {divisors} GPUs"
        )


class Key(NamedTuple):
    """A micro-batch to read: rows of the index; `epoch` is None for evaluation."""

    epoch: int | None
    rows: np.ndarray


class _Failure(NamedTuple):
    """An error on its way out of a worker: an exception would arrive with a traceback as text."""

    message: str


class _Pass:
    """The keys that the loader is to read next."""

    def __init__(self) -> None:
        self.number, self._keys = 0, []

    def begin(self, keys: list[Key]) -> int:
        self._keys = keys
        self.number += 1
        return self.number

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)


class _Decoder(Dataset):
    """What a worker does: a key to pixels, uint8, (batch, height, width, 3)."""

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
