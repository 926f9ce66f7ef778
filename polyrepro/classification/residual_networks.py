"""Residual networks for images of 32 pixels, registered with timm beside timm's own models."""

import torch
from timm.models import register_model
from torch import Tensor, nn


class ResidualNetwork(nn.Module):
    """ResNet-9: convolutions that halve height and width, two residual blocks, a linear classifier.

    The classifier works in single precision also under autocast, because the losses compare
    probabilities that a logit of eight significant bits would not tell apart.

    Args:
        width: channels of the first convolution; the others have 2, 4 and 8 times as many.
        scale: factor of the logits.
    """

    def __init__(self, width: int, in_chans: int, classes: int, scale: float) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _convolution(in_chans, width),
            _convolution(width, 2 * width, pool=True),
            _Residual(2 * width),
            _convolution(2 * width, 4 * width, pool=True),
            _convolution(4 * width, 8 * width, pool=True),
            _Residual(8 * width),
        )
        self.classifier = nn.Linear(8 * width, classes)
        self.scale = scale

    def get_classifier(self) -> nn.Module:
        """The layer that fine-tuning replaces."""
        return self.classifier

    def forward(self, images: Tensor) -> Tensor:
        """Map images (batch, channels, 32, 32) to logits (batch, classes), float32."""
        features = self.features(images).amax(dim=(2, 3))
        with torch.autocast(images.device.type, enabled=False):
            return self.classifier(features.float()) * self.scale


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            _convolution(channels, channels), _convolution(channels, channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.block(features)


def _convolution(before: int, after: int, pool: bool = False) -> nn.Sequential:
    """Convolution, perhaps the maximum of 2 x 2, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False),
        *([nn.MaxPool2d(2)] if pool else []),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


@register_model
def polyrepro_resnet9(in_chans: int = 3, num_classes: int = 10, **_from_timm) -> ResidualNetwork:
    """ResNet-9 as in David Page's "How to train your ResNet" (2018, davidcpage/cifar10-fast).

    6.6 million weights; the logits are multiplied by 1/8, as there. timm's arguments about
    pre-trained weights do not apply.
    """
    return ResidualNetwork(64, in_chans, num_classes, scale=0.125)


@register_model
def polyrepro_resnet9_quarter(
    in_chans: int = 3, num_classes: int = 10, **_from_timm
) -> ResidualNetwork:
    """The same with a quarter of the channels, for CPUs; the logits stay as they are."""
    return ResidualNetwork(16, in_chans, num_classes, scale=1.0)
