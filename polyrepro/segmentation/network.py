"""A light U-Net for range images, made for one CPU core.

RSN (Sun et al., CVPR 2021) segments the foreground by a U-Net on range images. This one works on
cells of 2 x 2 pixels from its first layer to its last, which costs a quarter of the operations, and
halves the image twice. The sector of the drawn sensor has two ends, so the images are padded with
zeros; a sensor that turns once around would need circular padding.
"""

import math

from torch import Tensor, nn

CELL = 2
"""Pixels per side of a cell."""
WIDTHS = (16, 32, 48)
"""Channels at full, half and quarter resolution of the cells."""
PRIOR = 0.1
"""Probability of the foreground that a fresh network predicts, as RetinaNet's does with 0.01."""


class RangeUNet(nn.Module):
    """From range images to a logit of the foreground per pixel.

    Args:
        channels: of the range images.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.cells = nn.PixelUnshuffle(CELL)
        self.encoder = nn.ModuleList(
            [
                _convolutions(channels * CELL**2, first, stride=1),
                _convolutions(first, second, stride=2),
                _convolutions(second, third, stride=2),
            ]
        )
        self.up = nn.ModuleList([_doubled(third, second), _doubled(second, first)])
        self.decoder = nn.ModuleList([_convolution(second, second), _convolution(first, first)])
        self.head = nn.Conv2d(first, CELL**2, kernel_size=1)
        nn.init.constant_(self.head.bias, math.log(PRIOR / (1 - PRIOR)))
        self.pixels = nn.PixelShuffle(CELL)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (batch, channels, height, width) to logits (batch, height, width).

        Height and width are multiples of eight.
        """
        features, skipped = self.cells(images), []
        for stage in self.encoder:
            features = stage(features)
            skipped.append(features)
        skipped.pop()
        for up, stage in zip(self.up, self.decoder, strict=True):
            features = stage(up(features) + skipped.pop())
        return self.pixels(self.head(features)).squeeze(1)


def _convolutions(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs, stride), _convolution(outputs, outputs))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _doubled(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, kernel_size=2, stride=2)
