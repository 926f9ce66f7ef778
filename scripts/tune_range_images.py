"""Search for the recipe of the light range U-Net: the focal loss alone, on other scenes.

    OMP_NUM_THREADS=1 python scripts/tune_range_images.py --folder FOLDER

The scenes are drawn from a seed that no result uses, the one of `scripts/tune_pointpillars.py`.
`results/reference/tuning/range_images.csv` has a row per run, and the recipe in
`polyrepro/recipes/range_images.py` is the outcome: first a rate for three epochs with batches of
four, then, at the best rate, fewer epochs and other sizes of batches. It was frozen before any
other loss was trained on range images.
"""

import argparse
import csv
import sys
import time
from pathlib import Path

import torch

from polyrepro.data.drawn.lidar_scenes import prepare_lidar_scenes
from polyrepro.data.lidar.lidar_format import open_lidar
from polyrepro.data.lidar.range_images import range_images
from polyrepro.data.manifests import write_manifest
from polyrepro.recipes.range_images import RANGE_UNET_LIDAR_SCENES
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.segmentation.segmentation_training import train_run
from polyrepro.variants import focal

SCENES_SEED, RUN_SEEDS = 4711, (0, 1)
SCENES = {"train": 200, "validation": 40, "test": 10}
"""`validation` measures here; no result is computed on any of these scenes."""
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
OTHERS = ({"epochs": 2}, {"batch_size": 2}, {"batch_size": 8})
SHOWN = ("foreground_ap", "foreground_precision", "points_kept", "pedestrian_foreground_ap")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="for scenes and runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    place = options.folder / "lidar_scenes"
    write_manifest(place, prepare_lidar_scenes(place, SCENES, SCENES_SEED))
    data = open_lidar(place)
    for split in SCENES:
        range_images(data, split)  # made once per process, and no part of a run's time
    writer = csv.writer(sys.stdout)
    writer.writerow(("learning_rate", "epochs", "batch_size", "seed", *SHOWN, "cpu_seconds"))
    base = {"epochs": 3, "batch_size": 4}
    reached = {}
    for rate in RATES:
        reached[rate] = measured(writer, data, options.folder, base | {"learning_rate": rate})
    best = max(reached, key=reached.__getitem__)
    for other in OTHERS:
        measured(writer, data, options.folder, base | {"learning_rate": best} | other)


def measured(writer, data, folder: Path, changes: dict) -> float:
    """Train with the focal loss and write a row per seed; returns the mean AP."""
    values = []
    for seed in RUN_SEEDS:
        recipe = RANGE_UNET_LIDAR_SCENES.model_copy(update=changes)
        run = Run(recipe=recipe, variant=focal(2.0), seed=seed)
        own = folder / run.identity()[:12]
        own.mkdir(parents=True, exist_ok=True)
        started = time.process_time()
        execution = Execution(Processes(torch.device("cpu")))
        outcome = train_run(run, data, own, run.identity(), execution)
        seconds = time.process_time() - started
        (row,) = (row for row in outcome.history if row["split"] == "validation")
        shown = [f"{row[name]:.2f}" for name in SHOWN]
        settings = (recipe.learning_rate, recipe.epochs, recipe.batch_size, seed)
        writer.writerow((*settings, *shown, f"{seconds:.1f}"))
        sys.stdout.flush()
        values.append(row[SHOWN[0]])
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
