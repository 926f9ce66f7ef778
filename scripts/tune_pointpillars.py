"""Search for the learning rate of the light PointPillars: the focal loss alone, on other scenes.

    OMP_NUM_THREADS=1 python scripts/tune_pointpillars.py --folder FOLDER 1e-3 2e-3 4e-3

The scenes are drawn from a seed that no result uses. `results/reference/tuning/pointpillars.csv`
has a row per run, and the recipe in `polyrepro/recipes/light_pointpillars.py` is the outcome. It
was frozen before any other loss was trained on drawn scenes. About half a minute per rate.
"""

import argparse
import csv
import sys
import time
from pathlib import Path

import torch

from polyrepro.data.drawn.lidar_scenes import prepare_lidar_scenes
from polyrepro.data.lidar.format import open_lidar
from polyrepro.data.manifests import write_manifest
from polyrepro.detection.lidar.training3d import train_run
from polyrepro.recipes.light_pointpillars import POINTPILLARS_LIDAR_SCENES
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import focal

SCENES_SEED, RUN_SEED = 4711, 0
SCENES = {"train": 240, "validation": 10, "test": 120}
"""`test` measures here; no result is computed on any of these scenes."""
SHOWN = ("vehicle_ap_l1", "pedestrian_ap_l1", "ap_l1", "aph_l1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="for scenes and runs")
    parser.add_argument("--train-scenes", type=int, default=200)
    parser.add_argument("rates", type=float, nargs="+")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = options.folder / "lidar_scenes"
    write_manifest(data, prepare_lidar_scenes(data, SCENES, SCENES_SEED))
    writer = csv.writer(sys.stdout)
    writer.writerow(("learning_rate", "train_scenes", *SHOWN, "cpu_seconds"))
    for rate in options.rates:
        changes = {"learning_rate": rate, "train_images": options.train_scenes}
        recipe = POINTPILLARS_LIDAR_SCENES.model_copy(update=changes)
        run = Run(recipe=recipe, variant=focal(2.0), seed=RUN_SEED)
        folder = options.folder / f"rate_{rate:g}"
        folder.mkdir(parents=True, exist_ok=True)
        started = time.process_time()
        execution = Execution(Processes(torch.device("cpu")))
        outcome = train_run(run, open_lidar(data), folder, run.identity(), execution)
        (row,) = (row for row in outcome.history if row["split"] == "test")
        seconds = time.process_time() - started
        shown = [f"{row[name]:.2f}" for name in SHOWN]
        writer.writerow((rate, options.train_scenes, *shown, f"{seconds:.1f}"))


if __name__ == "__main__":
    main()
