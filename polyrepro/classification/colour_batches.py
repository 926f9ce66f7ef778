"""Batches of coloured images that live on the device as 8-bit numbers and are augmented there."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from polyrepro.classification.batches import Batch, passes_of
from polyrepro.classification.device_pixels import device_pixels
from polyrepro.classification.randomness import generator
from polyrepro.data import ImageArrays
from polyrepro.recipes import ClassificationRecipe
from polyrepro.running.processes import Processes


@dataclass(frozen=True)
class Augmentation:
    """What is shown of every training image in one epoch, on the device; row i is image i's.

    Attributes:
        windows: (images,), which window of `DevicePixels`.
        mirrored: (images,), whether left and right are exchanged.
        holes: (images, 2), first row and column of the square that is hidden.
    """

    windows: Tensor
    mirrored: Tensor
    holes: Tensor


class ColourBatches:
    """Training and evaluation batches of an `ImageArrays` with three channels.

    Drawn per (seed, epoch) for all images at once; image i always takes row i of the draw, so its
    augmentation does not depend on the batch it lands in.
    """

    def __init__(
        self, data: ImageArrays, recipe: ClassificationRecipe, seed: int, processes: Processes
    ) -> None:
        self._recipe, self._seed, self._processes = recipe, seed, processes
        self._passes = passes_of(recipe, processes)
        self._shared = device_pixels(data, recipe, processes.device)
        self._height, self._width = self._shared.images["train"].shape[1:3]

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
        # Copied once: a copy in each step would wait for the steps before it.
        on_device = order.to(self._processes.device)
        shown = self._augmentation(epoch)
        for step in range(first_step, self.steps_per_epoch):
            step_part = slice(step * self._recipe.batch_size, (step + 1) * self._recipe.batch_size)
            passes = [
                numbers[step_part].tensor_split(self._recipe.passes_per_step)
                for numbers in (order, on_device)
            ]
            yield [self._batch(passes[0][n], passes[1][n], shown) for n in self._passes]

    def evaluation(self, split: str, batch_size: int = 500) -> Iterator[Batch]:
        """This process's share of a split, as it is; over all processes each image once."""
        pixels, labels = self._shared.images[split], self._shared.labels[split]
        count, share = len(labels), self._processes.count * batch_size
        for start in range(self._processes.rank * batch_size, count, share):
            chosen = slice(start, start + batch_size)
            names = [f"{split} image {number}" for number in range(count)[chosen]]
            yield Batch(self._shared.normalised(pixels[chosen]), labels[chosen], names)

    def _batch(self, numbers: Tensor, index: Tensor, shown: Augmentation) -> Batch:
        pixels = self._shared.windows.index_select(0, shown.windows[index])
        pixels = pixels.view(len(index), self._height, self._width, 3)
        if self._recipe.horizontal_flip:
            turned = shown.mirrored[index][:, None, None, None]
            pixels = torch.where(turned, pixels.flip(2), pixels)
        images = self._shared.normalised(pixels)
        if self._recipe.cutout:
            images.masked_fill_(self._hidden(shown.holes[index]), 0.0)
        names = [f"training image {number}" for number in numbers.tolist()]
        return Batch(images, self._shared.labels["train"][index], names)

    def _hidden(self, holes: Tensor) -> Tensor:
        """Which pixels of the images are hidden: bool, (images, 1, height, width)."""
        inside = []
        for first, side in zip(holes.unbind(dim=1), (self._height, self._width), strict=True):
            offset = torch.arange(side, device=holes.device) - first[:, None]
            inside.append((offset >= 0) & (offset < self._recipe.cutout))
        return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]

    def _augmentation(self, epoch: int) -> Augmentation:
        recipe, count, device = self._recipe, self.train_images, self._processes.device
        draw = generator("augmentation", self._seed, epoch)
        shifts = torch.randint(0, 2 * recipe.max_shift + 1, (count, 2), generator=draw)
        mirrored = torch.rand(count, generator=draw) < 0.5
        space = min(self._height, self._width) - recipe.cutout + 1
        holes = torch.randint(0, max(1, space), (count, 2), generator=draw)
        row, column = shifts.unbind(dim=1)
        height, width = self._height + 2 * recipe.max_shift, self._width + 2 * recipe.max_shift
        windows = (torch.arange(count) * height + row) * width + column
        return Augmentation(windows.to(device), mirrored.to(device), holes.to(device))
