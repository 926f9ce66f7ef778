"""Batches of a data set that lives in device memory and is augmented there."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from polyrepro.classification.device_images import device_images
from polyrepro.classification.randomness import generator
from polyrepro.data import ImageArrays
from polyrepro.errors import DeviceError
from polyrepro.recipes import ClassificationRecipe
from polyrepro.running.processes import Processes


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

    def split(self, parts: int) -> list["Batch"]:
        """The same images in so many batches of equal size, up to one image; fewer if they are."""
        parts = min(parts, len(self.names))
        bounds = [round(number * len(self.names) / parts) for number in range(parts + 1)]
        return [
            Batch(self.images[a:b], self.targets[a:b], self.names[a:b]) for a, b in pairwise(bounds)
        ]


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
        self._shared = self._on_device(data)

    @property
    def train_images(self) -> int:
        """Number of training images."""
        return len(self._shared.labels["train"])

    @property
    def steps_per_epoch(self) -> int:
        """Full batches per epoch; a smaller rest is left out, and differs from epoch to epoch."""
        return max(1, self.train_images // self._recipe.batch_size)

    def train(self, epoch: int, first_step: int = 0) -> Iterator[list[Batch]]:
        """This process's passes of each step of an epoch (counted from 0), from a step on."""
        order = torch.randperm(self.train_images, generator=generator("order", self._seed, epoch))
        # Copied once: a copy in every step would wait for the steps before it.
        on_device, shown = order.to(self._processes.device), self._augmentation(epoch)
        size, parts = self._recipe.batch_size, self._recipe.passes_per_step
        for step in range(first_step, self.steps_per_epoch):
            chosen = slice(step * size, (step + 1) * size)
            numbers, index = (each[chosen].tensor_split(parts) for each in (order, on_device))
            yield [self._batch(numbers[part], index[part], shown) for part in self._passes]

    def _batch(self, numbers: Tensor, index: Tensor, shown) -> Batch:
        names = [f"training image {number}" for number in numbers.tolist()]
        return Batch(self._augmented(index, shown), self._shared.labels["train"][index], names)

    def evaluation(self, split: str, batch_size: int = 500) -> Iterator[Batch]:
        """This process's share of a split, as it is; over all processes each image once."""
        images, labels = self._shared.images[split], self._shared.labels[split]
        count = len(labels)
        for start in range(
            self._processes.rank * batch_size, count, self._processes.count * batch_size
        ):
            chosen = slice(start, start + batch_size)
            names = [f"{split} image {number}" for number in range(count)[chosen]]
            yield Batch(self._plain(images[chosen]), labels[chosen], names)

    # The rest is what images in one channel and in three do differently.

    def _on_device(self, data: ImageArrays):
        """Images, windows to cut from them, and labels by split, shared with other runs."""
        return device_images(data, self._recipe, self._processes.device)

    def _plain(self, images: Tensor) -> Tensor:
        """Images to evaluate, as the network takes them."""
        return images

    def _augmented(self, index: Tensor, windows: Tensor) -> Tensor:
        """What is shown of these training images in an epoch."""
        return self._shared.windows.index_select(0, windows[index]).unsqueeze(1)

    def _augmentation(self, epoch: int) -> Tensor:
        """What is shown of each image: (images,), numbers of windows."""
        count, draw = self.train_images, generator("augmentation", self._seed, epoch)
        shifts = torch.randint(0, 2 * self._recipe.max_shift + 1, (count, 2), generator=draw)
        mirrored = torch.rand(count, generator=draw) < 0.5
        return self._shared.window(shifts, mirrored)
