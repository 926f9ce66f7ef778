"""Search for the recipes on images of 32 pixels: cross-entropy alone, on seeds of no study.

    polyrepro data verify images32 --root /datasets/cifar10 --output results/cifar/data/images32
    OMP_NUM_THREADS=1 python scripts/tune_images32.py --data results/cifar/data/images32

Each stage keeps the setting with the highest validation accuracy after the last epoch (mean over
the seeds); test images are not looked at. The stages are as they were fixed before the first run:

1. `learning_rate`: a half to four times 0.1, on one seed.
2. `regularisation`: at the best rate weight decay four times as large, and a largest shift of 4.
3. `second_seed`: the best two settings of all on a second seed.

The results are appended to `results/reference/tuning/images32.csv`, one row per run; runs that have
a row there are not repeated, so the script may be stopped and started again.
"""

import argparse
import csv
import sys
import time
from pathlib import Path

import pandas as pd
import torch

from polyrepro.classification.failures import TrainingError
from polyrepro.classification.loop import train
from polyrepro.data.images32 import NAME, open_images32
from polyrepro.recipes import RECIPES, ClassificationRecipe
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import Loss, Variant

OUTPUT = Path(__file__).parents[1] / "results/reference/tuning/images32.csv"
SEEDS = (1000, 1001)
RATES = (0.05, 0.1, 0.2, 0.4)

SETTING = ["learning_rate", "weight_decay", "max_shift"]
COLUMNS = ["stage", "recipe", "epochs", *SETTING, "seed", "validation_top1", "cpu_seconds"]


class Search:
    """Runs settings of one recipe and keeps a row per run."""

    def __init__(self, recipe: ClassificationRecipe, data, output: Path, device: str) -> None:
        self.recipe, self.data, self.output = recipe, data, output
        self.execution = Execution(Processes(torch.device(device)))
        if not output.exists():
            output.parent.mkdir(parents=True, exist_ok=True)
            self._append(COLUMNS)

    def ranked(self, stage: str, settings: list[dict], seeds: tuple[int, ...]) -> list[dict]:
        """The settings from the highest mean validation accuracy to the lowest."""
        means = {}
        for number, setting in enumerate(settings):
            values = [self._accuracy(stage, setting, seed) for seed in seeds]
            means[number] = sum(values) / len(values)
            print(f"{stage}: {means[number]:.2f} % at {setting}", file=sys.stderr, flush=True)
        return [settings[number] for number in sorted(means, key=means.get, reverse=True)]

    def _accuracy(self, stage: str, setting: dict, seed: int) -> float:
        recipe = self.recipe.model_copy(update=setting)
        row = {"recipe": recipe.name, "epochs": recipe.epochs}
        row |= {key: getattr(recipe, key) for key in SETTING} | {"seed": seed}
        table = pd.read_csv(self.output)
        same = (table[list(row)] == pd.Series(row)).all(axis=1)
        if same.any():
            return float(table.validation_top1[same].iloc[0])
        run = Run(recipe=recipe, variant=Variant(name="cross_entropy", loss=Loss()), seed=seed)
        started = time.process_time()
        try:
            history = train(run, self.data, self.execution).history
            accuracy = next(r["top1"] for r in reversed(history) if r["split"] == "validation")
        except TrainingError:
            accuracy = 0.0  # diverged
        seconds = time.process_time() - started
        self._append([stage, *row.values(), f"{accuracy:.2f}", f"{seconds:.1f}"])
        return accuracy

    def _append(self, row: list) -> None:
        with self.output.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="what `data verify` wrote")
    parser.add_argument("--recipe", choices=RECIPES, default="resnet8_images32")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    recipe = RECIPES[options.recipe]
    search = Search(recipe, open_images32(NAME, options.data), options.output, options.device)
    torch.set_num_threads(1)

    start = {key: getattr(recipe, key) for key in SETTING}
    settings = [start | {"learning_rate": rate} for rate in options.rates]
    best = search.ranked("learning_rate", settings, SEEDS[:1])[0]
    settings += [best | {"weight_decay": 4 * recipe.weight_decay}, best | {"max_shift": 4}]
    first = search.ranked("regularisation", settings, SEEDS[:1])[:2]
    best = search.ranked("second_seed", first, SEEDS)[0]
    print(f"{recipe.name}: {best}")


if __name__ == "__main__":
    main()
