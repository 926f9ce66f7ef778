"""Learning rates for the recipes on images of 32 pixels: cross-entropy alone, on seeds of no study.

    polyrepro data verify images32 --root /datasets/cifar10 --output results/cifar/data/images32
    OMP_NUM_THREADS=1 python scripts/tune_images32.py --data results/cifar/data/images32

Every rate is judged by the validation accuracy after the last epoch; test images are not looked
at. The results are appended to `results/reference/tuning/images32.csv`, one row per run; runs that
have a row there are not repeated, so the script may be stopped and started again. For ResNet-9, on
a GPU:

    python scripts/tune_images32.py --data results/cifar/data/images32 --device cuda \
        --recipe resnet9_images32 --rates 0.1 0.2 0.4 0.8 1.6 --seeds 3
"""

import argparse
import csv
import time
from pathlib import Path

import pandas as pd
import torch

from polyrepro.classification.failures import TrainingError
from polyrepro.classification.loop import train
from polyrepro.data.in_memory.images32 import NAME, open_images32
from polyrepro.recipes import RECIPES, ClassificationRecipe
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import Loss, Variant

OUTPUT = Path(__file__).parents[1] / "results/reference/tuning/images32.csv"
FIRST_SEED = 1000
RATES = (0.05, 0.1, 0.2, 0.4)

SETTING = ["recipe", "epochs", "learning_rate", "weight_decay", "max_shift", "seed"]
COLUMNS = [*SETTING, "validation_top1", "cpu_seconds"]


class Search:
    """Trains one recipe at several learning rates and keeps a row per run."""

    def __init__(self, recipe: ClassificationRecipe, data, output: Path, device: str) -> None:
        self.recipe, self.data, self.output = recipe, data, output
        self.execution = Execution(Processes(torch.device(device)))
        if not output.exists():
            output.parent.mkdir(parents=True, exist_ok=True)
            self._append(COLUMNS)

    def accuracy(self, rate: float, seed: int) -> float:
        """Validation accuracy in percent, of an earlier run if there is one; 0 if it diverged."""
        recipe = self.recipe.model_copy(update={"learning_rate": rate})
        row = {"recipe": recipe.name} | {key: getattr(recipe, key) for key in SETTING[1:-1]}
        row["seed"] = seed
        table = pd.read_csv(self.output)
        same = (table[SETTING] == pd.Series(row)).all(axis=1)
        if same.any():
            return float(table.validation_top1[same].iloc[0])
        run = Run(recipe=recipe, variant=Variant(name="cross_entropy", loss=Loss()), seed=seed)
        started = time.process_time()
        try:
            history = train(run, self.data, self.execution).history
            accuracy = next(r["top1"] for r in reversed(history) if r["split"] == "validation")
        except TrainingError:
            accuracy = 0.0
        seconds = time.process_time() - started
        self._append([*row.values(), f"{accuracy:.2f}", f"{seconds:.1f}"])
        return accuracy

    def _append(self, row: list) -> None:
        with self.output.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="what `data verify` wrote")
    parser.add_argument("--recipe", choices=RECIPES, default="resnet9_quarter_images32")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 1000 on")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = open_images32(NAME, options.data)
    search = Search(RECIPES[options.recipe], data, options.output, options.device)
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    for rate in options.rates:
        mean = sum(search.accuracy(rate, seed) for seed in seeds) / len(seeds)
        print(f"{options.recipe}: {mean:.2f} % at {rate:g}", flush=True)


if __name__ == "__main__":
    main()
