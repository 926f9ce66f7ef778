"""What a job calls to train a detector on point clouds: as for pictures, with other metrics."""

# ruff: noqa: E402 - without MMDetection3D the message has to come before the imports fail.
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner, TestLoop

from polyrepro.data.lidar.lidar_format import KITTI, LidarData
from polyrepro.detection.lidar.mmdetection3d import require_mmdetection3d
from polyrepro.files import naming_path
from polyrepro.running.execution import Execution
from polyrepro.running.records import Outcome
from polyrepro.runs import Run

require_mmdetection3d()

# MMDetection3D fills its registries when these are imported.
import mmdet3d.datasets
import mmdet3d.models  # noqa: F401

from polyrepro.detection.configuration import evaluation_loader
from polyrepro.detection.detector_training import Evaluated, train_detector
from polyrepro.detection.lidar import kitti_ap, waymo_ap
from polyrepro.detection.lidar.configuration3d import evaluator, lidar_place, run_config
from polyrepro.detection.lidar.lidar_evaluation import lidar_counts


def train_run(
    run: Run, data: LidarData, folder: Path, identity: str, execution: Execution
) -> Outcome:
    """Train a detector in the run's folder, from its last checkpoint on, and evaluate it.

    As :func:`polyrepro.detection.detector_training.train_run`, but for the predictions, which are
    written to `predictions_test.lidar.json` and for validation, and for the metrics. They are
    Waymo's (see :mod:`polyrepro.detection.lidar.waymo_ap`), on KITTI's data those of
    :mod:`polyrepro.detection.lidar.kitti_ap`; `predictions.npz` has the counts per frame that they
    are made of.
    """

    def configure(resume_from: Path | None) -> Config:
        return run_config(run, data, folder, execution, resume_from)

    def evaluate(runner: Runner, config: Config, split: str) -> Evaluated:
        path = folder / f"predictions_{split}.lidar.json"
        loader = evaluation_loader(config, lidar_place(data, split))
        with naming_path(folder):
            TestLoop(runner=runner, dataloader=loader, evaluator=evaluator(path)).run()
        found, kept = {}, {}
        if execution.processes.first and data.name == KITTI:
            classes = runner.test_dataloader.dataset.metainfo["classes"]
            counts = kitti_ap.kitti_counts(data.annotations[split], path, classes)
            found = kitti_ap.metrics_of(counts)
            kept = {f"kitti_{name}": values for name, values in counts.items()}
        elif execution.processes.first:
            counts = lidar_counts(data.annotations[split], path, data.classes)
            found = waymo_ap.metrics_of(counts)
            kept = {f"lidar_{name}": rows.astype(np.float32) for name, rows in counts.items()}
        return execution.processes.from_first(found), kept

    return train_detector(run, folder, identity, execution, configure, evaluate)
