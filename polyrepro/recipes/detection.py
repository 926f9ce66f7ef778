"""How a detector is trained."""

from typing import Literal

from pydantic import Field, model_validator

from polyrepro.recipes.base import Recipe


class DetectionRecipe(Recipe):
    """Data, detector and schedule; the rest is in the configuration of MMDetection.

    Attributes:
        model: as the tables show it.
        detector: which kind; Poly losses go into the box head of `mask_rcnn`, and into the dense
            head of `retinanet`.
        config: name of a configuration that MMDetection ships. None for a light detector of
            `polyrepro.detection.small_models`, to which the attributes after `milestones` belong.
        scale: images are scaled to fit a rectangle with these sides, in pixels, the longer first;
            None for that of the configuration.
        milestones: epochs after which the learning rate is multiplied by 0.1; empty for those of
            the configuration.
        image_size: images are scaled to this longest side, in pixels.
        frozen: keep the initial weights of backbone and pyramid as they are.
        warmup: part of the training in which the learning rate rises from 0, before it falls as a
            cosine to 0.
        weight_decay: of AdamW.
        precision: MMDetection's numbers on GPUs that have TF32 are made with it.
    """

    kind: Literal["detection"] = "detection"
    detector: Literal["mask_rcnn", "retinanet"]
    config: str | None = None
    scale: tuple[int, int] | None = None
    milestones: tuple[int, ...] = ()
    image_size: int | None = Field(default=None, ge=32)
    frozen: bool = False
    warmup: float | None = Field(default=None, ge=0, lt=1)
    weight_decay: float | None = Field(default=None, ge=0)
    precision: Literal["float32", "tf32"] = "tf32"

    @model_validator(mode="after")
    def _either_packaged_or_light(self) -> "DetectionRecipe":
        light = (self.image_size, self.warmup, self.weight_decay)
        if (self.config is None) == (None in light) or (self.config and any(light)):
            raise ValueError(
                f"recipe {self.name}: give either config, or image_size, warmup and weight_decay"
            )
        if self.config is None and (self.scale or self.milestones):
            raise ValueError(
                f"recipe {self.name}: scale and milestones belong to a config; a light detector "
                "has image_size and a cosine"
            )
        if self.scale and not self.scale[0] >= self.scale[1] >= 32:
            raise ValueError(f"recipe {self.name}: scale {self.scale} has the longer side first")
        return self
