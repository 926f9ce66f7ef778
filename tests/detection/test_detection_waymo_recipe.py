"""The paper's scale in 3D: MMDetection3D's own configuration, and what cannot be trained."""

import dataclasses

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)
pytest.importorskip("mmdet3d", reason="MMDetection3D is not installed")

from lidar_layouts import WAYMO
from mmengine.hub import get_config

from polyrepro.data.lidar.lidar_format import WAYMO_CLASSES, LidarData
from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.lidar.configuration3d import run_config
from polyrepro.recipes import RECIPES
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import poly1_focal


def config_of(folder, values: int = 6, count: int = 16, **changed):
    paths = {split: folder / split for split in ("train", "validation", "test")}
    frames = {"splits": {split: {"images": 100} for split in paths}}
    data = LidarData(
        name="waymo",
        classes=WAYMO_CLASSES,
        point_values=values,
        annotations=paths,
        points=paths,
        citation=frames,
    )
    run = Run(
        recipe=RECIPES["pointpillars_waymo"].model_copy(update=changed),
        variant=poly1_focal(-0.4, 2.0),
        seed=4,
    )
    processes = dataclasses.replace(Processes(torch.device("cpu")), count=count)
    return run_config(run, data, folder, Execution(processes, workers=2), None)


def test_it_is_the_packaged_configuration_on_verified_data(tmp_path):
    config, own = config_of(tmp_path), get_config(WAYMO)
    assert config.model == own.model
    assert config.default_scope == "mmdet3d" and config.optim_wrapper == own.optim_wrapper
    train, test = config.train_dataloader, config.test_dataloader
    # Thirty-two frames per step, whatever the number of processes.
    assert train.batch_size == 2 and train.num_workers == 2
    assert (train.dataset.type, train.dataset.load_interval) == ("WaymoDataset", 5)
    assert train.dataset.ann_file == str(tmp_path / "train")
    assert test.dataset.ann_file == str(tmp_path / "test")
    first, *rest = train.dataset.pipeline
    assert first.type == "SeedImage"
    assert rest == own.train_dataloader.dataset.dataset.pipeline
    assert config.test_evaluator.type == "LidarPredictions"
    assert [name for name, hook in config.default_hooks.items() if hook is None] == ["checkpoint"]


def test_a_repeated_data_set_is_read_once_in_twice_as_many_epochs(tmp_path):
    own = get_config(WAYMO)
    assert own.train_dataloader.dataset.times * own.train_cfg.max_epochs == 48
    config = config_of(tmp_path)
    assert config.train_cfg["max_epochs"] == 48
    warmup, steps = config.param_scheduler
    assert warmup == own.param_scheduler[0]
    assert (steps.end, steps.milestones) == (48, [40, 46])
    _, short = config_of(tmp_path, epochs=12).param_scheduler
    assert (short.end, short.milestones) == (12, [10, 12])


def test_points_with_too_few_numbers_are_an_error_before_training(tmp_path):
    steps = config_of(tmp_path, values=5).train_dataloader.dataset.pipeline
    assert steps[1].load_dim == 5
    with pytest.raises(DetectionError, match=r"reads 5 numbers per point, but waymo has 4"):
        config_of(tmp_path, values=4)


def test_a_batch_that_cannot_be_divided_is_an_error(tmp_path):
    with pytest.raises(DetectionError, match="32 images per step cannot be divided among 5"):
        config_of(tmp_path, count=5)
