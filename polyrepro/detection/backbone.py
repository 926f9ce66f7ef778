"""Backbones of timm for MMDetection's detectors, and a pyramid that is not trained."""

from collections.abc import Sequence

import timm
import torch
from mmdet.models.necks import FPN
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from polyrepro.detection.registration import register


class TimmBackbone(BaseModule):
    """A timm model as feature extractor, with random initial weights.

    Args:
        model_name: as for ``timm.create_model``.
        out_indices: which of its feature levels to give, from the finest on.
        frozen: keep all weights and the statistics of batch normalisation as they are.
    """

    def __init__(
        self,
        model_name: str,
        out_indices: Sequence[int],
        frozen: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        body = timm.create_model(
            model_name, pretrained=False, features_only=True, out_indices=tuple(out_indices)
        )
        # On CPU the convolutions of small images are about twice as fast in this layout.
        self.body = body.to(memory_format=torch.channels_last)
        self.frozen = frozen
        self.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> nn.Module:
        return super().train(mode and not self.frozen)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps (images, channels, height, width), finest first."""
        return tuple(self.body(images.contiguous(memory_format=torch.channels_last)))


class FrozenFPN(FPN):
    """A feature pyramid that keeps its weights and statistics as they are."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> nn.Module:
        return super().train(False)


for _module in (TimmBackbone, FrozenFPN):
    register(MODELS, _module)
