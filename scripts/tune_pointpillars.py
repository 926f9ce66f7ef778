"""Search for the learning rate of the light PointPillars: the focal loss alone, on other scenes.

    OMP_NUM_THREADS=1 python scripts/tune_pointpillars.py --folder FOLDER 1e-3 2e-3 4e-3

The scenes are drawn from a seed that no result uses, and the runs have seeds that no study uses.
`results/reference/tuning/pointpillars.csv` has a row per run, and the recipe in
`polyrepro/recipes/light_pointpillars.py` is the outcome. It was frozen before any other loss was
trained on drawn scenes. About half a minute per run.
"""

import argparse
import csv
import itertools
import sys
import time
from pathlib import Path

import torch

from polyrepro.data.drawn.lidar_scenes import prepare_lidar_scenes
from polyrepro.data.lidar.lidar_format import LidarData, open_lidar
from polyrepro.data.manifests import write_manifest
from polyrepro.detection.lidar.training3d import train_run
from polyrepro.recipes.light_pointpillars import POINTPILLARS_LIDAR_SCENES
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import focal

SCENES_SEED, RUN_SEEDS = 4711, (1000, 1001, 1002)
SCENES = {"train": 240, "validation": 10, "test": 120}
"""`test` measures here; no result is computed on any of these scenes."""
SHOWN = ("vehicle_ap_l1", "pedestrian_ap_l1", "ap_l1", "aph_l1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="for scenes and runs")
    parser.add_argument("--train-scenes", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=RUN_SEEDS)
    parser.add_argument("rates", type=float, nargs="+")
    options = parser.parse_args()
    torch.set_num_threads(1)
    place = options.folder / "lidar_scenes"
    write_manifest(place, prepare_lidar_scenes(place, SCENES, SCENES_SEED))
    data = open_lidar(place)
    writer = csv.writer(sys.stdout)
    writer.writerow(("learning_rate", "train_scenes", "seed", *SHOWN, "cpu_seconds"))
    for seed, rate in itertools.product(options.seeds, options.rates):
        changes = {"learning_rate": rate, "train_images": options.train_scenes}
        recipe = POINTPILLARS_LIDAR_SCENES.model_copy(update=changes)
        run = Run(recipe=recipe, variant=focal(2.0), seed=seed)
        *values, seconds = measured(run, data, options.folder)
        shown = [f"{value:.2f}" for value in values]
        writer.writerow((rate, options.train_scenes, seed, *shown, f"{seconds:.1f}"))
        sys.stdout.flush()


def measured(run: Run, data: LidarData, folder: Path) -> tuple[float, ...]:
    """Train; the metrics of `SHOWN`, and the CPU seconds."""
    own = folder / run.identity()[:12]
    own.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    execution = Execution(Processes(torch.device("cpu")))
    outcome = train_run(run, data, own, run.identity(), execution)
    seconds = time.process_time() - started
    (row,) = (row for row in outcome.history if row["split"] == "test")
    return (*(row[name] for name in SHOWN), seconds)


if __name__ == "__main__":
    main()
