"""A recipe is data + model + schedule: everything about a run but the loss and the seed."""

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Base of everything that defines a run: immutable, no unknown keys, no NaN, no guessing."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Recipe(Frozen):
    """How a model is trained: stochastic gradient descent with momentum.

    Attributes:
        dataset: a name known to `polyrepro.data`.
        model: a name known to `timm.create_model`.
        train_images: use the first so many training images; None for all.
        learning_rate: start of a cosine that falls to 0 over all epochs; during `warmup_epochs` a
            linear rise from 0 takes the cosine's place.
        max_shift: augmentation: largest translation in pixels.
        horizontal_flip: augmentation: mirror every second image on average.
    """

    name: str
    dataset: str
    model: str
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    warmup_epochs: float = Field(ge=0)
    max_shift: int = Field(ge=0)
    horizontal_flip: bool
    train_images: int | None = Field(default=None, ge=1)


FASHION_MNIST = Recipe(
    name="fashion_mnist",
    dataset="fashion_mnist",
    model="polyrepro_convnet",
    epochs=4,
    batch_size=128,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    warmup_epochs=0.5,
    max_shift=1,
    horizontal_flip=True,
)
"""Embedded scale: 12,000 images, a two-layer convolutional network, about 2 s on one CPU core."""

FASHION_MNIST_LONG_TAIL = FASHION_MNIST.model_copy(
    update={
        "name": "fashion_mnist_long_tail",
        "dataset": "fashion_mnist_long_tail",
        "epochs": 8,
        "batch_size": 64,
    }
)
"""Embedded scale: the long-tailed split has a quarter of the images, so it gets more epochs."""

RECIPES = {recipe.name: recipe for recipe in (FASHION_MNIST, FASHION_MNIST_LONG_TAIL)}
