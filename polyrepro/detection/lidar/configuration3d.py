"""From a run on point clouds to a configuration of MMDetection3D for mmengine's runner."""

from pathlib import Path

from mmengine.config import Config
from mmengine.hub import get_config

from polyrepro.data.lidar.lidar_format import LidarData
from polyrepro.detection.configuration import (
    finish,
    light_training,
    make_resumable,
    place_of,
)
from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.lidar import small_pointpillars
from polyrepro.detection.lidar.lidar_evaluation import LidarPredictions
from polyrepro.detection.lidar.random_samples import RandomSamples
from polyrepro.detection.lidar.schedules import set_schedule
from polyrepro.running.execution import Execution
from polyrepro.runs import Run

ROTATION, SCALES = 0.2, (0.95, 1.05)
"""Augmentation of a light detector: turned by up to so many radians, and scaled."""


def run_config(
    run: Run, data: LidarData, folder: Path, execution: Execution, resume_from: Path | None
) -> Config:
    """The configuration of a training, without its hooks; as for pictures.

    Raises:
        DetectionError: if the batch cannot be divided among the processes, or the points have too
            few numbers for the detector.
    """
    config = _light(run, data) if run.recipe.config is None else _packaged(run, data)
    make_resumable(config, run, data, execution)
    config.test_evaluator = evaluator(folder / "predictions_test.lidar.json")
    finish(config, run, folder, execution, resume_from)
    return config


def evaluator(path: Path) -> dict:
    """Writes predictions to a file."""
    return {"type": LidarPredictions.__name__, "path": str(path)}


def lidar_place(data: LidarData, split: str) -> dict:
    """Where annotations and points of a split are.

    Without the classes: KITTI's data have more of them than its detectors, which MMDetection3D
    sorts out.
    """
    place = place_of(data, split, pts=data.points[split])
    return {name: value for name, value in place.items() if name != "metainfo"}


def _packaged(run: Run, data: LidarData) -> Config:
    """A configuration of MMDetection3D, with this run's learning rate and number of epochs.

    Its schedule is stretched to the epochs. A data set that it repeats is read once per epoch, so
    that augmentation depends on epoch and frame alone.
    """
    recipe = run.recipe
    config = get_config(recipe.config)
    train, test = config.train_dataloader.dataset, config.test_dataloader.dataset
    if train.type == "RepeatDataset":
        train = train.dataset
    train.update(**lidar_place(data, "train"), filter_empty_gt=False)
    if recipe.every > 1:
        train.load_interval = recipe.every
    test.update(**lidar_place(data, "test"))
    for step in (*train.pipeline, *test.pipeline):
        if step.type == "LoadPointsFromFile":
            _read_points(step, data, recipe.config)
        if step.type == "ObjectSample":
            _paste_from(step, data)
    config.train_dataloader.dataset = train
    set_schedule(config, recipe.epochs, run.learning_rate)
    config.auto_scale_lr = None
    config.default_hooks.pop("visualization")
    config.custom_hooks = []
    return config


def _paste_from(step: dict, data: LidarData) -> None:
    """Let a step of a pipeline paste the objects that the verification has cut out."""
    step.db_sampler.update(
        type=RandomSamples.__name__, info_path=str(data.samples), data_root=str(data.samples.parent)
    )
    step.db_sampler.points_loader.load_dim = data.point_values
    # KITTI has no ground planes of its own.
    step.use_ground_plane = step.use_ground_plane and data.citation["samples"]["ground_planes"]


def _read_points(step: dict, data: LidarData, name: str) -> None:
    """Let a step of a pipeline read files with as many numbers per point as the data have."""
    used = max(step.use_dim) + 1 if isinstance(step.use_dim, list) else step.use_dim
    if used > data.point_values:
        raise DetectionError(
            f"{name} reads {used} numbers per point, but {data.name} has {data.point_values} "
            "(`num_pts_feats`): give the files what the detector needs, for Waymo x, y, z, "
            "intensity and elongation"
        )
    step.load_dim = data.point_values


def _light(run: Run, data: LidarData) -> Config:
    """A light detector, trained with AdamW and a cosine."""
    dataset = {
        "type": "WaymoDataset",
        "metainfo": {"classes": data.classes},
        "modality": {"use_lidar": True, "use_camera": False},
        # An empty scene is one to learn from; a random one in its place could not be resumed.
        "filter_empty_gt": False,
    }
    return Config(
        {
            "default_scope": "mmdet3d",
            "model": small_pointpillars.pointpillars(data.classes),
            "load_from": str(small_pointpillars.weights()),
            **light_training(run, data.count("train", run.recipe.train_images)),
            "train_dataloader": {
                "sampler": {"type": "DefaultSampler", "shuffle": True},
                "dataset": {
                    **dataset,
                    **lidar_place(data, "train"),
                    "pipeline": _steps(data, True),
                },
            },
            "test_dataloader": {
                "batch_size": 1,
                "sampler": {"type": "DefaultSampler", "shuffle": False},
                "dataset": {
                    **dataset,
                    **lidar_place(data, "test"),
                    "pipeline": _steps(data, False),
                    "test_mode": True,
                },
            },
        }
    )


def _steps(data: LidarData, training: bool) -> list[dict]:
    """From a file of points, and the boxes for training, to what the detector takes."""
    limits = list(small_pointpillars.RANGE)
    read = {
        "type": "LoadPointsFromFile",
        "coord_type": "LIDAR",
        "load_dim": data.point_values,
        "use_dim": small_pointpillars.USED_VALUES,
    }
    crop = {"type": "PointsRangeFilter", "point_cloud_range": limits}
    keys = ["points"]
    if not training:
        return [read, crop, {"type": "Pack3DDetInputs", "keys": keys}]
    return [
        read,
        {"type": "LoadAnnotations3D", "with_bbox_3d": True, "with_label_3d": True},
        # The sensor looks ahead, so left and right may change places, ahead and behind may not.
        {"type": "RandomFlip3D", "sync_2d": False, "flip_ratio_bev_horizontal": 0.5},
        {
            "type": "GlobalRotScaleTrans",
            "rot_range": [-ROTATION, ROTATION],
            "scale_ratio_range": list(SCALES),
        },
        crop,
        {"type": "ObjectRangeFilter", "point_cloud_range": limits},
        {"type": "Pack3DDetInputs", "keys": [*keys, "gt_bboxes_3d", "gt_labels_3d"]},
    ]
