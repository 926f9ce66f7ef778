"""The coloured images of a small data set, on the device as 8-bit numbers, shared by runs."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from polyrepro.data import ImageArrays
from polyrepro.recipes import ClassificationRecipe


@dataclass(frozen=True)
class DevicePixels:
    """Pixels and labels; nobody may change them.

    Attributes:
        images: by split, uint8, (images, height, width, 3).
        labels: by split, int64, (images,).
        windows: uint8, (windows, height, 3 width), a view of the training images with a border
            around them: one window begins at every pixel, in the order of images, rows, columns.
        mean, std: float32, (3,), of pixels from 0 to 255.
    """

    images: dict[str, Tensor]
    labels: dict[str, Tensor]
    windows: Tensor
    mean: Tensor
    std: Tensor

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels (images, height, width, 3) as a network takes them.

        Returns:
            float32, (images, 3, height, width), with the channels last in memory.
        """
        return pixels.float().sub_(self.mean).div_(self.std).permute(0, 3, 1, 2)


def device_pixels(
    data: ImageArrays, recipe: ClassificationRecipe, device: torch.device
) -> DevicePixels:
    """What the runs of a recipe need; those that follow one another share it."""
    return _device_pixels(data, recipe.train_images, recipe.max_shift, device)


@functools.lru_cache(maxsize=2)
def _device_pixels(
    data: ImageArrays, train_images: int | None, max_shift: int, device: torch.device
) -> DevicePixels:
    images, labels = {}, {}
    for name, split in data.splits.items():
        if name == "train":
            split = split.take(slice(train_images))
        images[name] = torch.from_numpy(split.images).to(device)
        labels[name] = torch.from_numpy(split.labels).to(device)
    return DevicePixels(
        images,
        labels,
        _windows(_with_border(images["train"], max_shift), images["train"].shape),
        mean=255 * torch.tensor(data.mean, device=device),
        std=255 * torch.tensor(data.std, device=device),
    )


def _with_border(images: Tensor, width: int) -> Tensor:
    """Images that continue beyond their edges as in a mirror, which lies on the last pixel."""
    rows, columns = (_mirrored(side, width, images.device) for side in images.shape[1:3])
    return images[:, rows][:, :, columns].contiguous()


def _mirrored(side: int, width: int, device: torch.device) -> Tensor:
    position = torch.arange(-width, side + width, device=device).abs()
    return torch.minimum(position, 2 * (side - 1) - position)


def _windows(padded: Tensor, size: torch.Size) -> Tensor:
    """A view of every part of the size of an image, wherever it begins."""
    _, height, width, channels = size
    row = padded.shape[2] * channels
    length = padded.numel() - (height - 1) * row - width * channels
    return padded.as_strided((length // channels + 1, height, width * channels), (channels, row, 1))
