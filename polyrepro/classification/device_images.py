"""The images of a small data set as the network takes them, on the device, shared by runs."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from polyrepro.data import ImageArrays
from polyrepro.recipes import ClassificationRecipe


@dataclass(frozen=True)
class DeviceImages:
    """Normalised images and labels; nobody may change them.

    Attributes:
        images: by split, float32, (images, 1, height, width).
        labels: by split, int64, (images,).
        windows: float32, (windows, height, width), a view of the training images with a border
            around them: one window begins at every pixel. To take one is to copy what it shows,
            which needs a third of the time of indexing rows and columns.
        max_shift: width of the border.
        mirrors: whether every image is there a second time, mirrored.
    """

    images: dict[str, Tensor]
    labels: dict[str, Tensor]
    windows: Tensor
    max_shift: int
    mirrors: bool

    def window(self, shifts: Tensor, mirrored: Tensor) -> Tensor:
        """The window of every training image, (images,), on the device.

        Args:
            shifts: (images, 2), row and column where it begins, 0 to twice the largest shift.
            mirrored: (images,), whether left and right are exchanged, where the recipe does that.
        """
        height, width = (side + 2 * self.max_shift for side in self.windows.shape[1:])
        image = torch.arange(len(mirrored))
        row, column = shifts.unbind(dim=1)
        if self.mirrors:
            # Mirrored images follow their originals, and begin at the other end of a row.
            image = 2 * image + mirrored
            column = torch.where(mirrored, 2 * self.max_shift - column, column)
        return ((image * height + row) * width + column).to(self.windows.device)


def device_images(
    data: ImageArrays, recipe: ClassificationRecipe, device: torch.device
) -> DeviceImages:
    """What the runs of a recipe need; those that follow one another share it."""
    return _device_images(
        data, recipe.train_images, recipe.max_shift, recipe.horizontal_flip, device
    )


@functools.lru_cache(maxsize=2)
def _device_images(
    data: ImageArrays,
    train_images: int | None,
    max_shift: int,
    mirrors: bool,
    device: torch.device,
) -> DeviceImages:
    images, labels = {}, {}
    for name, split in data.splits.items():
        if name == "train":
            split = split.take(slice(train_images))
        pixels = torch.from_numpy(split.images).to(device, torch.float32)
        images[name] = pixels.div_(255).sub_(data.mean).div_(data.std).unsqueeze(1)
        labels[name] = torch.from_numpy(split.labels).to(device)
    # Shifted images show the background, which is black in this data.
    border = (max_shift,) * 4
    padded = torch.nn.functional.pad(images["train"], border, value=-data.mean / data.std)
    if mirrors:
        padded = torch.cat([padded, padded.flip(-1)], dim=1)
    return DeviceImages(
        images, labels, _windows(padded, images["train"].shape[-2:]), max_shift, mirrors
    )


def _windows(padded: Tensor, size: torch.Size) -> Tensor:
    """A view of every part of that size of images in memory, wherever it begins."""
    height, width = size
    row = padded.shape[-1]
    count = padded.numel() - (height - 1) * row - width + 1
    return padded.as_strided((count, height, width), (1, row, 1))
