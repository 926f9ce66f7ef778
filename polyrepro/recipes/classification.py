"""How a classifier is trained."""

import math
from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from polyrepro.recipes.base import Recipe


class ClassificationRecipe(Recipe):
    """Data, network, optimiser, schedule and augmentation of a classifier.

    Attributes:
        model: a name known to `timm.create_model`.
        images_per_device: images per forward pass on one device, and thus the batch that batch
            normalisation sees. `batch_size` images take `batch_size / images_per_device` passes,
            spread over the devices that there are; the gradients are accumulated.
        optimizer: a name known to timm; its remaining settings are timm's defaults.
        optimizer_epsilon: added to RMSProp's mean square; None for an optimiser without one.
        weight_decay: of weights with more than one dimension: not of biases and normalisation.
        schedule: of the learning rate: `cosine` to 0 over all epochs, `step` (times 0.1 at each of
            `milestones`) or `constant`; in `warmup_epochs` a linear rise from 0 takes its place.
            `linear` rises for `warmup_epochs`, then falls to 0 over the rest.
        label_smoothing: of the labels of training.
        ema_decay: of an exponential moving average of the weights per step; if set, the average
            is what is evaluated and kept.
        drop_path: probability to skip a residual block (stochastic depth), at the last block.
        cpu_precision: of forward and backward pass on a CPU. In bfloat16 a pass takes two thirds of
            the time on CPUs with AVX-512, and many times as long on others.
        channels_last: memory layout of images and weights.
        compile: translate the network with `torch.compile` on a GPU.
        max_shift: augmentation of images in memory: largest translation in pixels.
        horizontal_flip: augmentation: mirror every second image on average.
        cutout: augmentation of coloured images in memory: side of the square that is hidden
            somewhere in each image, in pixels (DeVries and Taylor, 2017).
        image_size: side of the random crop that is trained on, in pixels.
        growth: pairs (part, size), both ascending: until that part of the epochs the random crop
            has that size, after the last pair `image_size`.
        evaluation_size: side of the centre crop that is evaluated, in pixels.
        crop_fraction: of the shorter side that the centre crop keeps.
        min_crop_area: smallest random crop, as a part of the image's area.
        interpolation: of resized images.
    """

    kind: Literal["classification"] = "classification"
    images_per_device: int = Field(ge=1)
    optimizer: Literal["sgd", "rmsproptf"] = "sgd"
    optimizer_epsilon: float | None = Field(default=None, gt=0)
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    schedule: Literal["cosine", "linear", "step", "constant"] = "cosine"
    milestones: tuple[int, ...] = ()
    warmup_epochs: float = Field(ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, le=1)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    cpu_precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = False
    compile: bool = False
    max_shift: int = Field(default=0, ge=0)
    horizontal_flip: bool
    cutout: int = Field(default=0, ge=0)
    image_size: int = Field(ge=1)
    growth: tuple[tuple[float, int], ...] = ()
    evaluation_size: int = Field(ge=1)
    crop_fraction: float = Field(default=1.0, gt=0, le=1)
    min_crop_area: float = Field(default=0.08, gt=0, le=1)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    @model_validator(mode="after")
    def _batches_come_out_even(self) -> "ClassificationRecipe":
        if self.batch_size % self.images_per_device:
            raise ValueError(
                f"recipe {self.name}: batch_size {self.batch_size} is not a multiple of "
                f"images_per_device {self.images_per_device}"
            )
        return self

    @model_validator(mode="after")
    def _images_grow(self) -> "ClassificationRecipe":
        parts = [0.0, *(part for part, _ in self.growth), 1.0]
        sizes = [0, *(size for _, size in self.growth), self.image_size]
        if not all(a < b for values in (parts, sizes) for a, b in pairwise(values)):
            raise ValueError(
                f"recipe {self.name}: growth {self.growth} has to be pairs of a part of the epochs "
                "between 0 and 1 and a size in pixels below image_size "
                f"{self.image_size}, both ascending"
            )
        return self

    def image_size_at(self, epoch: int) -> int:
        """Side of the random crops in an epoch, counted from 0; a function of nothing else."""
        sizes = (size for part, size in self.growth if epoch < part * self.epochs)
        return next(sizes, self.image_size)

    @property
    def shorter_side(self) -> int:
        """Of an image, in pixels, so that no crop of evaluation is enlarged."""
        return max(self.image_size, math.floor(self.evaluation_size / self.crop_fraction))

    @property
    def passes_per_step(self) -> int:
        """Forward passes for one step of the optimiser, over all devices together."""
        return self.batch_size // self.images_per_device
