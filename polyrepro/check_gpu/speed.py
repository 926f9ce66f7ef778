"""Images per second of our training loop, as a row of a table that `polyrepro estimate` reads."""

import csv
import io
import statistics
from collections.abc import Callable
from pathlib import Path

import timm
import torch

from polyrepro.classification.loop import train
from polyrepro.classification.synthetic import SyntheticBatches
from polyrepro.estimate.sizes import CLASSES
from polyrepro.estimate.throughputs import CHECKED, image_side
from polyrepro.files import write_atomically
from polyrepro.recipes import RECIPES, AnyRecipe, ClassificationRecipe
from polyrepro.running.determinism import determinism
from polyrepro.running.environment import device_name
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import Variant

KEY = ("model", "image_size", "batch_size", "precision", "compile", "device")
"""Columns whose values together name a measurement."""


def one_pass_per_step(recipe: ClassificationRecipe, epochs: int) -> ClassificationRecipe:
    """The recipe with one forward pass per step, from random weights, to measure its speed."""
    changes = {"epochs": epochs, "batch_size": recipe.images_per_device, "pretraining": None}
    return recipe.model_copy(update=changes)


def epoch_seconds(
    recipe: ClassificationRecipe,
    device: torch.device,
    steps: int,
    before: Callable[[], None] = lambda: None,
) -> list[float]:
    """Train on random images; the seconds of each epoch of so many steps, but for the first.

    Args:
        before: called before each epoch.
    """
    data = SyntheticBatches(recipe, device, steps, CLASSES[recipe.dataset])
    data.before = before
    run = Run(recipe=recipe, variant=Variant(name="cross_entropy"), seed=0)
    execution = Execution(Processes(device), deterministic=False)
    with determinism(execution, recipe.precision):
        train(run, data, execution)
    return data.seconds[1:]


def throughput(
    recipe: AnyRecipe, device: torch.device, images_per_second: float, source: str
) -> dict:
    """A row of the table.

    Args:
        source: the command that measured it.
    """
    return {
        "model": recipe.model,
        "image_size": image_side(recipe),
        "batch_size": recipe.batch_size,
        "precision": recipe.precision,
        "compile": str(getattr(recipe, "compile", False)).lower(),
        "processor": "gpu" if device.type == "cuda" else "cpu",
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "images_per_second": round(images_per_second, 2),
        "status": "measured",
        "source": f"{source}, PyTorch {torch.__version__}, timm {timm.__version__}",
    }


def write_rows(path: Path, rows: list[dict]) -> None:
    """Replace the rows of the same case and device, and keep the others."""
    new = {tuple(str(row[name]) for name in KEY) for row in rows}
    old = []
    if path.exists():
        with open(path, encoding="utf-8", newline="") as file:
            old = [r for r in csv.DictReader(file) if tuple(r[name] for name in KEY) not in new]
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows([*old, *rows])
    write_atomically(path, text.getvalue())


def check_resnet50(device: torch.device) -> str:
    """Train ResNet-50 as its recipe does, compiled, and keep its speed for `polyrepro estimate`."""
    recipe, steps, rounds = RECIPES["resnet50_imagenet1k"], 12, 3
    if device.type == "cpu":
        small = {"images_per_device": 2, "image_size": 32, "precision": "float32"}
        recipe, steps, rounds = recipe.model_copy(update=small | {"compile": False}), 1, 1
    recipe = one_pass_per_step(recipe, rounds + 1)
    seconds = statistics.median(epoch_seconds(recipe, device, steps))
    speed = steps * recipe.batch_size / seconds
    how = f"{recipe.precision}{', compiled' if recipe.compile else ''}"
    text = f"{speed:,.0f} images of {recipe.image_size} px per second ({how})"
    return keep_speed(text, recipe, device, speed)


def keep_speed(text: str, recipe: AnyRecipe, device: torch.device, speed: float) -> str:
    """Write a measured speed where `polyrepro estimate` finds it; `text` and what became of it.

    Args:
        speed: images per second.
    """
    if device.type == "cpu":
        return f"{text}; not kept, because the sizes are those of a trial"
    write_rows(CHECKED, [throughput(recipe, device, speed, "polyrepro check-gpu")])
    return f"{text}; `polyrepro estimate` takes it from {CHECKED}"
