"""Residual networks for images of 32 pixels, registered with timm beside timm's own models."""

import torch
from timm.models import register_model
from torch import Tensor, nn


class ResidualNetwork(nn.Module):
    """A stem, stages of a convolution and a residual block, a maximum over positions, a classifier.

    The classifier works in single precision also under autocast, because the losses compare
    probabilities that a logit of eight significant bits would not tell apart.

    Args:
        stem: the first layers, whose output has `channels[0]` channels.
        channels: of the stem and of each stage; every stage halves height and width.
        residual: whether a stage ends with a residual block of two convolutions.
        scale: factor of the logits.
    """

    def __init__(
        self,
        stem: nn.Module,
        channels: tuple[int, ...],
        residual: tuple[bool, ...],
        classes: int,
        scale: float,
    ) -> None:
        super().__init__()
        layers = [stem]
        for before, after, block in zip(channels, channels[1:], residual, strict=False):
            layers.append(_convolution(before, after, pool=True))
            layers += [_Residual(after)] if block else []
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels[-1], classes)
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


def _convolution(before: int, after: int, size: int = 3, stride: int = 1, pool: bool = False):
    """Convolution, perhaps the maximum of 2 x 2, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, padding=(size - 1) // 2, bias=False),
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
    channels = (64, 128, 256, 512)
    stem = _convolution(in_chans, channels[0])
    return ResidualNetwork(stem, channels, (True, False, True), num_classes, scale=0.125)


@register_model
def polyrepro_resnet8(in_chans: int = 3, num_classes: int = 10, **_from_timm) -> ResidualNetwork:
    """The same in small, for a CPU: 0.5 million weights, a stem of stride 2, two stages."""
    channels = (32, 64, 128)
    stem = _convolution(in_chans, channels[0], size=4, stride=2)
    return ResidualNetwork(stem, channels, (True, True), num_classes, scale=1.0)
