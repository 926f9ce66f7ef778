"""How a detector of boxes in point clouds is trained."""

from typing import Literal

from pydantic import Field, model_validator

from polyrepro.recipes.base import Recipe


class Detection3DRecipe(Recipe):
    """Data, detector and schedule; the rest is in the configuration of MMDetection3D.

    Attributes:
        detector: which kind; Poly losses go into its dense head.
        config: name of a configuration that MMDetection3D ships. None for the light detector of
            `polyrepro.detection.lidar.small_pointpillars`, to which `warmup` and `weight_decay`
            belong.
        every: only each so many-th frame is trained on; neighbours are nearly alike.
        warmup: part of the training in which the learning rate rises from 0, before it falls as a
            cosine to 0.
        weight_decay: of AdamW.
    """

    kind: Literal["detection3d"] = "detection3d"
    detector: Literal["pointpillars"]
    config: str | None = None
    every: int = Field(default=1, ge=1)
    warmup: float | None = Field(default=None, ge=0, lt=1)
    weight_decay: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _either_packaged_or_light(self) -> "Detection3DRecipe":
        light = (self.warmup, self.weight_decay)
        if (self.config is None) == (None in light) or (self.config and any(light)):
            raise ValueError(f"recipe {self.name}: give either config, or warmup and weight_decay")
        return self
