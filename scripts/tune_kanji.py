"""Search for the embedded recipes: cross-entropy alone, on seeds that no study uses.

    OMP_NUM_THREADS=1 python scripts/tune_kanji.py

It goes through the stages below in turn. Each keeps the setting with the highest validation
accuracy after the last epoch (mean over the seeds); test images are not looked at. One run is to
take no more than 8 CPU seconds, so a smaller batch means fewer epochs. The recipe `kanji` was
frozen before any other loss was trained on these data. Stages 1 to 3 are as they were fixed before
the first run; the others changed as they say.

1. `learning_rate`: a quarter to ten times 0.1, batch 128, 4 epochs.
2. `batch`: 64 with 3 epochs and 256 with 4, at a half, one and two times the best rate.
3. `regularisation`: largest shift 1 and 3 instead of 2, weight decay 1e-4 and 2e-3 instead of 5e-4.
4. `extended`: added because shift and weight decay were best at the ends of stage 3. Shift 0 and 1
   with weight decay 5e-4, 2e-3 and 5e-3, each with each; then, as 5e-3 was best, 1e-2 and 2e-2.
5. `fine`: the best rate divided and multiplied by the square root of 2, and, as the weight decay
   had become ten times as large, by 2.
6. `derived`: for the long tail, 100 and 10 classes their own rate, from a quarter to twice the best
   one, at a batch and a number of epochs that were set by hand.
7. `ends`: a quarter was best for 10 classes, the end of its grid, so it goes on downwards: an
   eighth and a sixteenth, and half the last one for as long as that is the best.
8. `noise`: for 20 and 40 % wrong labels a half, one and two times the best rate, with further
   steps of 2 for as long as the rate at an end is the best; then half and twice the weight decay.

9. `shirt`: for one garment against the others a half, one and two times the rate of Fashion-MNIST,
   with further steps of 2 as above; before any other loss was trained on them.

Stages 7 and 8 came after `kanji` had been trained with other losses; the noisy recipes and that of
10 classes had all values of `kanji` (10 classes: a quarter of its rate) before.

The results are in `results/reference/tuning/kanji.csv`, one row per run; runs that have a row there
are not repeated. The recipes in `polyrepro/recipes/kanji.py` are the outcome.
"""

import argparse
import csv
import itertools
import sys
import time
from pathlib import Path

import pandas as pd
import torch

from polyrepro.classification.failures import TrainingError
from polyrepro.classification.loop import train
from polyrepro.data import load
from polyrepro.recipes import ClassificationRecipe
from polyrepro.recipes.fashion_mnist import FASHION_MNIST
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import Loss, Variant

OUTPUT = Path(__file__).parents[1] / "results/reference/tuning/kanji.csv"
SEEDS = range(1000, 1008)

START = ClassificationRecipe(
    name="kanji",
    dataset="kanji",
    model="polyrepro_convnet",
    epochs=4,
    batch_size=128,
    images_per_device=128,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    warmup_epochs=0.5,
    max_shift=2,
    horizontal_flip=False,
    image_size=28,
    evaluation_size=28,
)
RATES = (0.025, 0.05, 0.1, 0.2, 0.4, 1.0)
DERIVED = {
    "kanji_long_tail": (64, 9, 4),
    "kanji_100": (64, 20, 4),
    "kanji_10": (32, 60, 8),
}
"""Data set to batch, epochs and number of seeds. Fewer images get more epochs; ten classes have
only 20 validation images, so they get more seeds."""

SETTING = ["dataset", "batch_size", "epochs", "learning_rate", "max_shift", "weight_decay"]
COLUMNS = ["stage", *SETTING, "seed", "validation_top1", "cpu_seconds"]


class Search:
    """Runs the settings of a stage and returns the best recipe; keeps a row per run.

    Attributes:
        output: the table; it is there after every run.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.execution = Execution(Processes(torch.device("cpu")))
        self.data = {}
        if not output.exists():
            output.parent.mkdir(parents=True, exist_ok=True)
            self._append(COLUMNS)

    def best(
        self, stage: str, recipes: list[ClassificationRecipe], seeds: range = SEEDS[:4]
    ) -> ClassificationRecipe:
        """The recipe with the highest mean validation accuracy; the first one of equals."""
        means = [
            sum(self._accuracy(stage, r, seed) for seed in seeds) / len(seeds) for r in recipes
        ]
        for recipe, mean in zip(recipes, means, strict=True):
            shown = ", ".join(f"{key} {getattr(recipe, key):g}" for key in SETTING[1:])
            print(f"{stage} {recipe.dataset}: {mean:.2f} % at {shown}", file=sys.stderr, flush=True)
        return recipes[means.index(max(means))]

    def best_rate(
        self, stage: str, recipes: list[ClassificationRecipe], seeds: range
    ) -> ClassificationRecipe:
        """The best of recipes with rising rates; steps of 2 go on beyond an end that is best."""
        while True:
            best = self.best(stage, recipes, seeds)
            if best is recipes[0]:
                recipes = [*with_rates(best, 0.5), *recipes]
            elif best is recipes[-1]:
                recipes = [*recipes, *with_rates(best, 2)]
            else:
                return best

    def _accuracy(self, stage: str, recipe: ClassificationRecipe, seed: int) -> float:
        table = pd.read_csv(self.output)
        setting = {key: getattr(recipe, key) for key in SETTING} | {"seed": seed}
        same = (table[list(setting)] == pd.Series(setting)).all(axis=1)
        if same.any():
            return float(table.validation_top1[same].iloc[0])
        if recipe.dataset not in self.data:
            self.data[recipe.dataset] = load(recipe.dataset)
        run = Run(recipe=recipe, variant=Variant(name="cross_entropy", loss=Loss()), seed=seed)
        started = time.process_time()
        try:
            history = train(run, self.data[recipe.dataset], self.execution).history
            accuracy = next(r["top1"] for r in reversed(history) if r["split"] == "validation")
        except TrainingError:
            accuracy = 0.0  # diverged
        seconds = time.process_time() - started
        self._append([stage, *setting.values(), f"{accuracy:.3f}", f"{seconds:.2f}"])
        return accuracy

    def _append(self, row: list) -> None:
        with self.output.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


def with_values(recipe: ClassificationRecipe, **values) -> ClassificationRecipe:
    """A copy; a batch is one forward pass."""
    if "batch_size" in values:
        values["images_per_device"] = values["batch_size"]
    return recipe.model_copy(update=values)


def with_rates(recipe: ClassificationRecipe, *factors: float) -> list[ClassificationRecipe]:
    """Copies whose learning rate is multiplied by each of the factors, rounded to two digits."""
    rates = [float(f"{recipe.learning_rate * factor:.2g}") for factor in factors]
    return [with_values(recipe, learning_rate=rate) for rate in rates]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    search = Search(parser.parse_args().output)
    torch.set_num_threads(1)

    best = search.best("learning_rate", [with_values(START, learning_rate=r) for r in RATES])
    others = [with_values(best, batch_size=b, epochs=e) for b, e in ((64, 3), (256, 4))]
    candidates = [recipe for other in others for recipe in with_rates(other, 0.5, 1, 2)]
    best = search.best("batch", [best, *candidates])
    changes = ({"max_shift": 1}, {"max_shift": 3}, {"weight_decay": 1e-4}, {"weight_decay": 2e-3})
    best = search.best("regularisation", [best, *(with_values(best, **c) for c in changes)])
    grid = itertools.product((0, 1), (5e-4, 2e-3, 5e-3))
    best = search.best(
        "extended", [with_values(best, max_shift=s, weight_decay=w) for s, w in grid]
    )
    stronger = [with_values(best, weight_decay=decay) for decay in (1e-2, 2e-2)]
    best = search.best("extended", [best, *stronger])
    best = search.best("fine", [best, *with_rates(best, 0.5, 0.5**0.5, 2**0.5, 2)])
    print(f"kanji: {best!r}")
    for dataset, (batch, epochs, seeds) in DERIVED.items():
        same_cost = with_values(best, dataset=dataset, batch_size=batch, epochs=epochs)
        rates = with_rates(same_cost, 0.25, 0.5, 1, 2)
        best_rate = search.best("derived", rates, SEEDS[:seeds])
        if best_rate is rates[0]:
            rates = [*with_rates(best_rate, 0.25, 0.5), *rates]
            best_rate = search.best_rate("ends", rates, SEEDS[:seeds])
        print(f"{dataset}: {best_rate!r}")
    for dataset in ("kanji_noise20", "kanji_noise40"):
        rates = with_rates(with_values(best, dataset=dataset), 0.5, 1, 2)
        best_rate = search.best_rate("noise", rates, SEEDS[:4])
        decays = [
            with_values(best_rate, weight_decay=best_rate.weight_decay * factor)
            for factor in (0.5, 1, 2)
        ]
        print(f"{dataset}: {search.best('noise', decays)!r}")
    rates = with_rates(with_values(FASHION_MNIST, dataset="fashion_mnist_shirt"), 0.5, 1, 2)
    print(f"fashion_mnist_shirt: {search.best_rate('shirt', rates, SEEDS[:4])!r}")


if __name__ == "__main__":
    main()
