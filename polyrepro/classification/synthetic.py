"""Batches of random images that are on the device already, to measure how fast a network trains."""

import time
from collections.abc import Callable, Iterator

import torch

from polyrepro.classification.batches import Batch
from polyrepro.recipes import ClassificationRecipe


class SyntheticBatches:
    """One batch, again and again, in the place of a data set and of its batches.

    Attributes:
        before: called before each epoch.
        seconds: that the steps of each epoch took, for the device to finish them.
    """

    def __init__(
        self, recipe: ClassificationRecipe, device: torch.device, steps: int, classes: int
    ) -> None:
        self.class_groups: dict[str, tuple[int, ...]] = {}
        self.channels = 1 if recipe.model == "polyrepro_convnet" else 3
        self.classes = range(classes)
        self.device, self.steps_per_epoch = device, steps
        self.train_images = steps * recipe.batch_size
        generator = torch.Generator().manual_seed(0)
        shape = (recipe.batch_size, self.channels, recipe.image_size, recipe.image_size)
        images = torch.randn(shape, generator=generator).to(device)
        if recipe.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        targets = torch.randint(classes, shape[:1], generator=generator).to(device)
        self.batch = Batch(images, targets, names=["synthetic"] * recipe.batch_size)
        self.before: Callable[[], None] = lambda: None
        self.seconds: list[float] = []

    def train(self, epoch: int, first_step: int = 0) -> Iterator[list[Batch]]:
        self.before()
        started = now(self.device)
        for _ in range(self.steps_per_epoch):
            yield [self.batch]
        self.seconds.append(now(self.device) - started)

    def evaluation(self, split: str) -> Iterator[Batch]:
        yield self.batch


def now(device: torch.device) -> float:
    """The time, after the device has finished its queue."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
