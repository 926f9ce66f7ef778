"""What every recipe has. A recipe is data + model + schedule: all of a run but loss and seed."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Base of everything that defines a run: immutable, no unknown keys, no NaN, no guessing."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Recipe(Frozen):
    """What planning, tables and the report need to know of a recipe, whatever its task.

    Attributes:
        name: unique; the first part of a run's id.
        dataset: a name known to `polyrepro.data`.
        model: as the tables show it.
        batch_size: images per step of the optimiser, on any number of devices.
        learning_rate: the highest of the schedule.
        train_images: use only so many training images; None for all.
        pretraining: name of the recipe whose run of the same loss and seed gives the initial
            weights; None if there is no such run.
        precision: of forward and backward pass on a GPU; weights stay in float32. `tf32` is
            float32 whose convolutions drop 13 bits, as torch does by default.
    """

    name: str
    dataset: str
    model: str
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    train_images: int | None = Field(default=None, ge=1)
    pretraining: str | None = None
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
