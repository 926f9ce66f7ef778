"""Batches of a data set that lives in device memory and is augmented there."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from polyrepro.classification.randomness import generator
from polyrepro.classification.recipes import Recipe
from polyrepro.data import ImageArrays


@dataclass(frozen=True)
class Batch:
    """Images (batch, 1, height, width) in float32, normalised, and their labels (batch,)."""

    images: Tensor
    labels: Tensor


class MemoryBatches:
    """Training and evaluation batches of an `ImageArrays`.

    Drawn per (seed, epoch) for all images at once; image i always takes row i of the draw, so its
    augmentation does not depend on the batch it lands in.
    """

    def __init__(self, data: ImageArrays, recipe: Recipe, seed: int, device: torch.device) -> None:
        self._recipe, self._seed, self._device = recipe, seed, device
        self._images: dict[str, Tensor] = {}
        self._labels: dict[str, Tensor] = {}
        for name, split in data.splits.items():
            if name == "train":
                split = split.take(slice(recipe.train_images))
            pixels = torch.from_numpy(split.images).to(device, torch.float32)
            self._images[name] = ((pixels / 255 - data.mean) / data.std).unsqueeze(1)
            self._labels[name] = torch.from_numpy(split.labels).to(device)
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

    def train(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """The batches of one epoch (counted from 0), shuffled and augmented, from a step on."""
        order = torch.randperm(self.train_images, generator=generator("order", self._seed, epoch))
        order = order.to(self._device)
        rows, columns = self._augmentation(epoch)
        for step in range(first_step, self.steps_per_epoch):
            start = step * self._recipe.batch_size
            index = order[start : start + self._recipe.batch_size]
            # Gathering from flat images takes a third of the time of indexing three dimensions.
            pixels = rows[index, :, None] * self._padded_width + columns[index, None, :]
            images = self._padded_pixels[index].gather(1, pixels.flatten(1))
            yield Batch(images.view(-1, 1, *pixels.shape[1:]), self._labels["train"][index])

    def evaluation(self, split: str, batch_size: int = 500) -> Iterator[Batch]:
        """All images of a split, each once, in order, as they are."""
        for start in range(0, len(self._labels[split]), batch_size):
            stop = start + batch_size
            yield Batch(self._images[split][start:stop], self._labels[split][start:stop])

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
