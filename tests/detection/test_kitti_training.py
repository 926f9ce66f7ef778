"""KITTI from its own files to metrics: convert, verify, train a few steps, resume, judge."""

import json

import numpy as np
import pytest

pytest.importorskip("mmdet3d", reason="MMDetection3D is not installed", exc_type=ImportError)
pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from kitti_files import write_kitti_files
from lidar_layouts import KITTI, small_grid
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from pipeline_runs import StopAfter, execution, numbers

from polyrepro.data.lidar.kitti_convert import convert_kitti
from polyrepro.data.lidar.lidar_folder import verify_lidar_folder
from polyrepro.data.lidar.lidar_format import open_lidar
from polyrepro.data.manifests import write_manifest
from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.lidar import configuration3d
from polyrepro.detection.lidar.configuration3d import run_config
from polyrepro.detection.lidar.kitti_ap import kitti_counts, metrics_of
from polyrepro.detection.lidar.random_samples import RandomSamples
from polyrepro.detection.lidar.training3d import train_run
from polyrepro.recipes import RECIPES
from polyrepro.running.interruption import InterruptedTrainingError
from polyrepro.running.jobs import progress_line
from polyrepro.runs import Run
from polyrepro.variants import poly1_focal

CLASSES = ("Pedestrian", "Cyclist", "Car")


@pytest.fixture(autouse=True, scope="module")
def _scope():
    """The other tests of this folder go on with that of MMDetection."""
    yield
    init_default_scope("mmdet")


def opened(folder, planes: bool = False):
    convert_kitti(write_kitti_files(folder / "files", planes), folder / "layout")
    verified = folder / "data" / "kitti"
    write_manifest(verified, verify_lidar_folder("kitti", folder / "layout", verified))
    return open_lidar(verified)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return opened(tmp_path_factory.mktemp("kitti"))


def small_run(**changed) -> Run:
    recipe = RECIPES["pointpillars_kitti"].model_copy(update=changed)
    return Run(recipe=recipe, variant=poly1_focal(-1.0, 2.0), seed=1)


def test_it_is_the_packaged_configuration_on_verified_data(data, tmp_path):
    config, own = run_config(small_run(), data, tmp_path, execution(), None), get_config(KITTI)
    assert config.model == own.model
    train, stock = config.train_dataloader, own.train_dataloader.dataset
    assert stock.times * own.train_cfg.max_epochs == config.train_cfg["max_epochs"] == 160
    assert (train.dataset.type, train.batch_size) == ("KittiDataset", stock.times * 3)
    assert train.dataset.metainfo.classes == list(CLASSES)
    _, *steps = train.dataset.pipeline
    pasting, (sampling,) = steps[2], [s for s in stock.dataset.pipeline if "db_sampler" in s]
    assert pasting.db_sampler.sample_groups == sampling.db_sampler.sample_groups
    assert pasting.db_sampler.prepare == sampling.db_sampler.prepare
    assert not pasting.use_ground_plane  # the written files have no planes
    others = [step for step in steps if step.type != "ObjectSample"]
    assert others == [step for step in stock.dataset.pipeline if step.type != "ObjectSample"]


def test_the_rate_rises_and_falls_as_there_with_a_highest_of_the_recipes(data, tmp_path):
    config, own = run_config(small_run(), data, tmp_path, execution(), None), get_config(KITTI)
    optimizer, stock = config.optim_wrapper.optimizer, own.optim_wrapper.optimizer
    assert optimizer.lr == pytest.approx(stock.lr / 8)
    assert {**optimizer, "lr": 0} == {**stock, "lr": 0}
    rising, falling, *momentum = config.param_scheduler
    assert rising.eta_min == pytest.approx(RECIPES["pointpillars_kitti"].learning_rate)
    assert (rising.begin, rising.end, rising.T_max) == (0, 64, 64)
    assert (falling.begin, falling.end, falling.T_max) == (64, 160, 96)
    assert falling.eta_min == pytest.approx(stock.lr * 1e-4 / 8)
    assert [part.eta_min for part in momentum] == [0.85 / 0.95, 1]
    assert [part.end for part in momentum] == [64, 160]


def test_a_single_epoch_has_no_time_for_the_rate_to_rise(data, tmp_path):
    config = run_config(small_run(epochs=1), data, tmp_path, execution(), None)
    assert [(part.begin, part.end) for part in config.param_scheduler] == [(0, 1), (0, 1)]
    assert [part.type for part in config.param_scheduler] == [
        "CosineAnnealingLR",
        "CosineAnnealingMomentum",
    ]


def test_objects_are_moved_to_the_ground_where_all_frames_have_one(tmp_path):
    planes = opened(tmp_path, planes=True)
    config = run_config(small_run(), planes, tmp_path, execution(), None)
    assert config.train_dataloader.dataset.pipeline[3].use_ground_plane


def sampler(data, **changed) -> RandomSamples:
    loader = {"type": "LoadPointsFromFile", "coord_type": "LIDAR", "load_dim": 4, "use_dim": 4}
    groups = changed.pop("groups", {"Car": 2, "Pedestrian": 1})
    return RandomSamples(
        info_path=str(data.samples),
        data_root=str(data.samples.parent),
        rate=1.0,
        prepare={"filter_by_difficulty": [-1], "filter_by_min_points": {"Car": 5} | changed},
        sample_groups=groups,
        classes=list(CLASSES),
        points_loader=loader,
    )


def test_pasted_objects_depend_on_the_seed_of_the_frame_alone(data):
    init_default_scope("mmdet3d")
    drawing = sampler(data)
    nothing, labels = np.zeros((0, 7), np.float32), np.zeros(0, int)

    def drawn(seed: int) -> dict:
        np.random.seed(seed)
        return drawing.sample_all(nothing, labels)

    first = drawn(1)
    others = [drawn(seed)["gt_bboxes_3d"].tolist() for seed in range(2, 8)]
    assert drawn(1)["gt_bboxes_3d"].tolist() == first["gt_bboxes_3d"].tolist()
    assert any(boxes != first["gt_bboxes_3d"].tolist() for boxes in others)
    assert set(first["gt_labels_3d"]) <= {0, 2}
    # The points lie in the boxes.
    box = first["gt_bboxes_3d"][0]
    assert (np.hypot(*(first["points"].tensor[:, :2].numpy() - box[:2]).T) < 6).any()


def test_a_class_without_objects_pastes_none_and_an_unknown_one_is_an_error(data):
    init_default_scope("mmdet3d")
    none = sampler(data, Car=1000, groups={"Car": 2})
    assert none.sample_all(np.zeros((0, 7), np.float32), np.zeros(0, int)) is None
    with pytest.raises(DetectionError, match=r"has no objects of Lorry, which the config"):
        sampler(data, groups={"Lorry": 2})


def test_a_training_from_files_to_metrics_goes_on_to_the_same_bits(data, tmp_path, monkeypatch):
    """Two epochs of two steps; a frame without objects among them."""
    monkeypatch.setattr(configuration3d, "get_config", lambda name: small_grid(get_config(name)))
    run = small_run(epochs=2, batch_size=2)
    whole = train_run(run, data, tmp_path / "whole", "x", execution()).history
    with pytest.raises(InterruptedTrainingError, match="after step 3 on SIGTERM, with"):
        train_run(run, data, tmp_path / "part", "x", execution(StopAfter(2)))
    resumed = train_run(run, data, tmp_path / "part", "x", execution()).history
    assert numbers(resumed) == numbers(whole)
    last = next(row for row in whole if row["split"] == "test")
    path = tmp_path / "whole" / "predictions_test.lidar.json"
    counts = kitti_counts(data.annotations["test"], path, CLASSES)
    assert last == {"epoch": 2, "split": "test"} | metrics_of(counts)
    assert {"car_ap40_easy", "cyclist_bev_ap40_hard", "ap40_moderate", "ap11_moderate"} <= set(last)
    trained = [row for row in whole if row["split"] == "train"]
    assert all(0 < row["mean_pt_foreground"] < 0.1 for row in trained)
    frames = json.loads(path.read_text())
    assert [frame["sample_idx"] for frame in frames] == [0, 1, 2]
    line = progress_line(run, {"history": whole}, seconds=None)
    assert line == (
        f"pointpillars_kitti/poly1_e-1_g2/seed1: already finished, "
        f"test ap40_moderate {last['ap40_moderate']:.2f} %"
    )
