"""Batches of a data set that lives in device memory and is augmented there."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from polyrepro.classification.randomness import generator
from polyrepro.data import ImageArrays
from polyrepro.recipes import ClassificationRecipe
from polyrepro.running.processes import DeviceError, Processes


@dataclass(frozen=True)
class Batch:
    """The images of one forward pass.

    Attributes:
        images: (images, channels, height, width), float32, normalised, on the device.
        targets: (images,) class indices, or (images, classes) probabilities.
        names: of the images, for messages.
    """

    images: Tensor
    targets: Tensor
    names: list[str]


def passes_of(recipe: ClassificationRecipe, processes: Processes) -> range:
    """Which of the forward passes of a step are this process's.

    Raises:
        DeviceError: if the processes cannot share the passes equally.
    """
    if recipe.passes_per_step % processes.count:
        raise DeviceError(
            f"{recipe.name} takes {recipe.passes_per_step} forward passes of "
            f"{recipe.images_per_device} images per step, which {processes.count} processes cannot "
            "share equally; set processes_per_run to a divisor"
        )
    return range(processes.rank, recipe.passes_per_step, processes.count)


class MemoryBatches:
    """Training and evaluation batches of an `ImageArrays`.

    Drawn per (seed, epoch) for all images at once; image i always takes row i of the draw, so its
    augmentation does not depend on the batch it lands in.
    """

    def __init__(
        self, data: ImageArrays, recipe: ClassificationRecipe, seed: int, processes: Processes
    ) -> None:
        self._recipe, self._seed, self._processes = recipe, seed, processes
        self._passes = passes_of(recipe, processes)
        self._device = processes.device
        self._images: dict[str, Tensor] = {}
        self._labels: dict[str, Tensor] = {}
        for name, split in data.splits.items():
            if name == "train":
                split = split.take(slice(recipe.train_images))
            pixels = torch.from_numpy(split.images).to(self._device, torch.float32)
            self._images[name] = ((pixels / 255 - data.mean) / data.std).unsqueeze(1)
            self._labels[name] = torch.from_numpy(split.labels).to(self._device)
        # Shifted images show the background, which is black in this data.
        border = (recipe.max_shift,) * 4
        padded = torch.nn.functional.pad(self._images["train"], border, value=-data.mean / data.std)
        self._padded_width = padded.shape[-1]
        self._padded_pixels = padded.flatten(1)

    @property
    def train_images(self) -> int:
        """Number of training images."""
        return len(self._labels["train"])

    @property
    def steps_per_epoch(self) -> int:
        """Full batches per epoch; a smaller rest is left out, and differs from epoch to epoch."""
        return max(1, self.train_images // self._recipe.batch_size)

    def train(self, epoch: int, first_step: int = 0) -> Iterator[list[Batch]]:
        """This process's passes of each step of an epoch (counted from 0), from a step on."""
        order = torch.randperm(self.train_images, generator=generator("order", self._seed, epoch))
        rows, columns = self._augmentation(epoch)
        for step in range(first_step, self.steps_per_epoch):
            start = step * self._recipe.batch_size
            chosen = order[start : start + self._recipe.batch_size]
            passes = chosen.tensor_split(self._recipe.passes_per_step)
            yield [self._batch(passes[number], rows, columns) for number in self._passes]

    def _batch(self, numbers: Tensor, rows: Tensor, columns: Tensor) -> Batch:
        index = numbers.to(self._device)
        # Gathering from flat images takes a third of the time of indexing three dimensions.
        pixels = rows[index, :, None] * self._padded_width + columns[index, None, :]
        images = self._padded_pixels[index].gather(1, pixels.flatten(1))
        names = [f"training image {number}" for number in numbers.tolist()]
        return Batch(images.view(-1, 1, *pixels.shape[1:]), self._labels["train"][index], names)

    def evaluation(self, split: str, batch_size: int = 500) -> Iterator[Batch]:
        """This process's share of a split, as it is; over all processes each image once."""
        count = len(self._labels[split])
        for start in range(
            self._processes.rank * batch_size, count, self._processes.count * batch_size
        ):
            chosen = slice(start, start + batch_size)
            names = [f"{split} image {number}" for number in range(count)[chosen]]
            yield Batch(self._images[split][chosen], self._labels[split][chosen], names)

    def _augmentation(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Rows and columns of the padded images to show: (images, height), (images, width)."""
        count, _, height, width = self._images["train"].shape
        draw = generator("augmentation", self._seed, epoch)
        shifts = torch.randint(0, 2 * self._recipe.max_shift + 1, (count, 2), generator=draw)
        flips = torch.rand(count, generator=draw) < 0.5
        rows = shifts[:, :1] + torch.arange(height)
        columns = torch.arange(width).expand(count, width)
        if self._recipe.horizontal_flip:
            columns = torch.where(flips[:, None], columns.flip(1), columns)
        return rows.to(self._device), (shifts[:, 1:] + columns).to(self._device)
