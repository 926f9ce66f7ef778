"""Batches of coloured images that live on the device as 8-bit numbers and are augmented there."""

from dataclasses import dataclass

import torch
from torch import Tensor

from polyrepro.classification.batches import MemoryBatches
from polyrepro.classification.device_pixels import DevicePixels, device_pixels
from polyrepro.classification.randomness import generator
from polyrepro.data import ImageArrays


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


class ColourBatches(MemoryBatches):
    """Batches of an `ImageArrays` with three channels, which may hide a square of each image."""

    def _on_device(self, data: ImageArrays) -> DevicePixels:
        shared = device_pixels(data, self._recipe, self._processes.device)
        self._height, self._width = shared.images["train"].shape[1:3]
        return shared

    def _plain(self, images: Tensor) -> Tensor:
        return self._shared.normalised(images)

    def _augmented(self, index: Tensor, shown: Augmentation) -> Tensor:
        pixels = self._shared.windows.index_select(0, shown.windows[index])
        pixels = pixels.view(len(index), self._height, self._width, 3)
        if self._recipe.horizontal_flip:
            turned = shown.mirrored[index][:, None, None, None]
            pixels = torch.where(turned, pixels.flip(2), pixels)
        images = self._shared.normalised(pixels)
        if self._recipe.cutout:
            images.masked_fill_(self._hidden(shown.holes[index]), 0.0)
        return images

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
