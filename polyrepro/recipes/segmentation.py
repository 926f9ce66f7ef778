"""How a segmentation of the foreground in range images is trained."""

from typing import Literal

from pydantic import Field

from polyrepro.recipes.base import Recipe


class SegmentationRecipe(Recipe):
    """Data, network and schedule.

    Attributes:
        model: as the tables show it; there is one, `polyrepro.segmentation.network.RangeUNet`.
        alpha: weight of the foreground in the loss; the background has 1 - alpha.
        warmup_epochs: in which the learning rate rises from 0, before it falls as a cosine to 0.
        weight_decay: of AdamW.
    """

    kind: Literal["segmentation"] = "segmentation"
    alpha: float = Field(gt=0, lt=1)
    warmup_epochs: float = Field(ge=0)
    weight_decay: float = Field(ge=0)
