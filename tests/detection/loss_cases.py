"""What the tests of the registry losses share."""

from torch import nn

SAMPLES, CLASSES = 12, 4


def build(name: str, **settings) -> nn.Module:
    """A loss by its registered name, as a configuration of MMDetection builds it."""
    from mmdet.registry import MODELS

    return MODELS.build({"type": name, **settings})
