"""Trainings of the pipeline on a handful of composites."""

import signal
from pathlib import Path

import torch

from polyrepro.data.coco.coco_format import CocoData, open_coco
from polyrepro.data.manifests import write_manifest
from polyrepro.recipes import RECIPES
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import Interruption
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import Loss, Variant

FEW = {"train": 6, "validation": 2, "test": 3}
STEPS = 6
"""Of a training: two epochs of three."""


def opened(folder: Path, manifest: dict) -> CocoData:
    """A verified data set, as a job opens it."""
    write_manifest(folder, manifest)
    return open_coco(folder)


def small_run(loss: Loss | None = None, recipe: str = "mask_rcnn_composites", **changed) -> Run:
    """A run of a few steps."""
    small = {"epochs": 2, "batch_size": 2, "image_size": 96}
    chosen = RECIPES[recipe].model_copy(update=small | changed)
    return Run(recipe=chosen, variant=Variant(name="variant", loss=loss or Loss()), seed=1)


def execution(interruption: Interruption | None = None) -> Execution:
    """One process on the CPU."""
    return Execution(Processes(torch.device("cpu")), interruption)


class StopAfter(Interruption):
    """A signal that comes while the given step is trained."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    @property
    def requested(self):
        self.steps -= 1
        return signal.SIGTERM if self.steps < 0 else None


def numbers(history: list[dict]) -> list[dict]:
    """A history without what depends on the machine's speed."""
    speed = ("seconds", "images_per_second")
    return [{k: v for k, v in row.items() if k not in speed} for row in history]
