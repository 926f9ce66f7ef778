"""MMDetection3D's unedited configurations with our hooks: PointPillars in two layouts."""

import argparse
import json
import shlex
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)
pytest.importorskip("mmdet3d", reason="MMDetection3D is not installed")

from lidar_layouts import KITTI, WAYMO, WAYMO_CARS, configuration, write_kitti, write_waymo
from mmdet3d.registry import HOOKS, MODELS
from mmengine.config import Config, DictAction
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from recorded_training import LossRecorder

from polyrepro.detection import ClassCountHook
from polyrepro.detection.detection_errors import (
    DetectionError,
    MissingDetectionError,
    NonFiniteLossError,
)
from polyrepro.detection.hooks.class_count import check_class_count
from polyrepro.detection.lidar.mmdetection3d import reason_it_cannot_be_used, require_mmdetection3d
from polyrepro.detection.safe_loading import load_from_local_safely

POLY = {"type": "PolyLossHook", "epsilon": -0.4}
GUARDS = [{"type": name} for name in ("FiniteLossHook", "ClassCountHook", "EpochSeedHook")]


@pytest.fixture(autouse=True)
def _unformatted(monkeypatch):
    """A runner lays the configuration out as a program thrice, longer than it trains here."""
    monkeypatch.setattr(Config, "pretty_text", property(str))


@pytest.fixture(autouse=True)
def _scope():
    """Names are those of MMDetection3D here, and of MMDetection in the tests that follow."""
    init_default_scope("mmdet3d")
    yield
    init_default_scope("mmdet")


@pytest.fixture(scope="module")
def waymo(tmp_path_factory):
    return write_waymo(tmp_path_factory.mktemp("waymo"), scenes=10)


def train(config) -> tuple[Runner, list[dict]]:
    recorder = LossRecorder()
    runner = Runner.from_cfg(config)
    runner.register_hook(recorder)
    runner.train()
    return runner, recorder.losses


@pytest.mark.parametrize(
    ("name", "write", "head"),
    [(KITTI, write_kitti, "bbox_head"), (WAYMO, write_waymo, "pts_bbox_head")],
    ids=["kitti", "waymo"],
)
def test_unedited_configurations_train_with_all_hooks(name, write, head, tmp_path):
    hooks = [POLY, {"type": "TargetProbabilityHook"}, *GUARDS]
    data = write(tmp_path / "data")
    runner, losses = train(configuration(name, data, tmp_path / "work", hooks))
    assert len(losses) == 3 and all(np.isfinite(step["loss"]) for step in losses)
    loss = runner.model.get_submodule(f"{head}.loss_cls")
    assert type(loss).__name__ == "PolyFocalLoss" and loss.series.epsilon == (-0.4,)
    (line,) = (tmp_path / "work/target_probability.jsonl").read_text().splitlines()
    line = json.loads(line)
    assert line["loss"] == f"{head}.loss_cls"
    assert 0 < line["foreground"]["count"] < line["background"]["count"]
    # At the start a head calls everything background, with a probability of 0.99.
    assert line["foreground"]["mean_pt"] < 0.1 < 0.9 < line["background"]["mean_pt"]
    state = load_from_local_safely(tmp_path / "work/epoch_1.pth")["state_dict"]
    torch.testing.assert_close(state, {k: v for k, v in runner.model.state_dict().items()})


def test_a_trained_model_predicts_boxes(waymo, tmp_path):
    runner, _ = train(configuration(WAYMO, waymo, tmp_path, []))
    head = runner.model.pts_bbox_head
    head.test_cfg.score_thr = 0.0
    torch.nn.init.normal_(head.conv_cls.weight)  # so that many boxes compete
    runner.model.eval()
    with torch.no_grad():
        samples = runner.model.test_step(next(iter(runner.train_dataloader)))
    for sample in samples:
        found = sample.pred_instances_3d
        assert 1 < len(found.scores_3d) <= head.test_cfg.max_num
        assert found.bboxes_3d.tensor.shape[1] == 7
        for label in found.labels_3d.unique():
            boxes = found.bboxes_3d[found.labels_3d == label]
            overlaps = boxes.overlaps(boxes, boxes).fill_diagonal_(0)
            assert overlaps.max() <= head.test_cfg.nms_thr + 1e-4


def test_a_loss_by_name_trains_like_that_of_the_hook(waymo, tmp_path):
    """The head compares the type of its loss with two words, ours is neither."""
    _, expected = train(configuration(WAYMO, waymo, tmp_path / "hook", [POLY]))
    config = configuration(WAYMO, waymo, tmp_path / "name", [])
    config.model.pts_bbox_head.loss_cls.update(type="PolyFocalLoss", epsilon=-0.4)
    _, losses = train(config)
    assert losses == expected
    _, stock = train(configuration(WAYMO, waymo, tmp_path / "stock", []))
    assert stock[0]["loss_cls"] > losses[0]["loss_cls"]


def test_a_resumed_training_ends_with_the_same_weights(waymo, tmp_path):
    hooks = [POLY, {"type": "EpochSeedHook"}]

    def go_on(folder: str, epochs: int, **more) -> dict:
        config = configuration(WAYMO, waymo, tmp_path / folder, hooks, **more)
        config.train_cfg.max_epochs = epochs
        config.default_hooks.checkpoint.interval = 1
        return train(config)[0].model.state_dict()

    whole = go_on("whole", 2)
    go_on("part", 1)
    resumed = go_on("part", 2, load_from=str(tmp_path / "part/epoch_1.pth"), resume=True)
    assert all(torch.equal(whole[name], value) for name, value in resumed.items())


def test_points_that_are_not_finite_are_named(tmp_path):
    data = write_waymo(tmp_path / "data", scenes=1)
    path = data / "training/velodyne/0000000.bin"
    points = np.fromfile(path, dtype=np.float32).reshape(-1, 6)
    points[:, 3] = np.nan
    points.tofile(path)
    config = configuration(WAYMO, data, tmp_path / "work", [{"type": "FiniteLossHook"}])
    with pytest.raises(NonFiniteLossError, match=r"Files of the batch: .*0000000.bin"):
        train(config)


@pytest.mark.parametrize("points", [True, False], ids=["no objects", "no points"])
def test_an_empty_scene_can_be_trained_on(points, tmp_path):
    """Alone in its batch, where nothing else tells that there is a scene."""
    data = write_waymo(tmp_path / "data", scenes=1, objects=0 if points else 3)
    if not points:
        (data / "training/velodyne/0000000.bin").write_bytes(b"")
    hooks = [POLY, {"type": "TargetProbabilityHook"}, *GUARDS]
    config = configuration(WAYMO, data, tmp_path / "work", hooks)
    config.train_dataloader.dataset.dataset.filter_empty_gt = False
    _, losses = train(config)
    assert np.isfinite(losses[0]["loss"])


def test_waymos_cars_are_trained_once_their_boxes_are_passed_on(waymo, tmp_path):
    """As shipped, the pipeline of these configurations packs nothing but the points."""
    with pytest.raises(AttributeError, match="no attribute 'labels_3d'"):
        train(configuration(WAYMO_CARS, waymo, tmp_path / "stock", []))
    hooks = [POLY, {"type": "TargetProbabilityHook"}, *GUARDS]
    config = configuration(WAYMO_CARS, waymo, tmp_path / "work", hooks)
    with pytest.raises(DetectionError) as error:
        train(config)
    where = "train_dataloader.dataset.dataset.pipeline.8"
    message = str(error.value)
    assert message.startswith("the training samples carry no gt_bboxes_3d and no gt_labels_3d")
    assert (
        f"with PolyLossHook or without it: Pack3DDetInputs at {where} passes on points" in message
    )
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    advice = shlex.split(message[message.index("--cfg-options") :])
    config.merge_from_dict(parser.parse_args(advice).cfg_options)
    runner, losses = train(config)
    assert len(losses) == 2 and all(np.isfinite(step["loss"]) for step in losses)
    assert type(runner.model.pts_bbox_head.loss_cls).__name__ == "PolyFocalLoss"


def head(**more) -> torch.nn.Module:
    config = get_config(WAYMO).model
    return MODELS.build(config.pts_bbox_head.to_dict() | {"train_cfg": config.train_cfg.pts} | more)


def test_classes_of_data_and_head_are_compared():
    cars = SimpleNamespace(metainfo={"classes": ("Car",)}, cat_ids=range(3), box_type_3d="LiDAR")
    three = SimpleNamespace(metainfo={"classes": ("Car", "Pedestrian", "Cyclist")})
    model = torch.nn.ModuleDict({"pts_bbox_head": head()})
    check_class_count(model, three, "training")
    with pytest.raises(DetectionError, match=r"has 1 classes .*Anchor3DHead. is built for 3"):
        check_class_count(model, cars, "training")
    assert HOOKS.get("ClassCountHook") is ClassCountHook


def test_background_of_a_softmax_head_is_no_class():
    softmax = {"type": "mmdet.CrossEntropyLoss", "use_sigmoid": False}
    three = SimpleNamespace(metainfo={"classes": ("Car", "Pedestrian", "Cyclist")})
    model = torch.nn.ModuleDict({"bbox_head": head(loss_cls=softmax, train_cfg=None)})
    assert model["bbox_head"].num_classes == 4
    check_class_count(model, three, "training")


def test_packages_for_other_data_sets_are_missed_only_when_they_are_called():
    from mmdet3d.datasets.utils import Quaternion
    from mmdet3d.evaluation.metrics.nuscenes_metric import NuScenesBox

    message = r"pyquaternion.Quaternion is needed, but .* Run: pip install pyquaternion"
    with pytest.raises(MissingDetectionError, match=message):
        Quaternion([1, 0, 0, 0])
    with pytest.raises(MissingDetectionError, match="pip install nuscenes-devkit"):
        NuScenesBox(None)


def test_missing_package_is_named_with_the_commands(monkeypatch):
    monkeypatch.setitem(sys.modules, "mmdet3d", None)
    reason_it_cannot_be_used.cache_clear()
    try:
        with pytest.raises(MissingDetectionError) as error:
            require_mmdetection3d()
    finally:
        reason_it_cannot_be_used.cache_clear()
    assert "but mmdet3d not installed; run pip install 'polyrepro[detection3d]' && pip" in str(
        error.value
    )


def test_everything_else_works_without_it():
    script = (
        "import sys; sys.modules['mmdet3d'] = sys.modules['numba'] = None\n"
        "import polyrepro.detection, polyrepro.detection.detector_training\n"
        "from mmdet.registry import HOOKS\n"
        "print(HOOKS.get('PolyLossHook').__name__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "PolyLossHook\n", done.stderr
