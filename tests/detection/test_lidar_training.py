"""Trainings on drawn LiDAR scenes: metrics, pairs of variants, resuming, an empty scene."""

import hashlib
import json

import pytest

pytest.importorskip("mmdet3d", reason="MMDetection3D is not installed", exc_type=ImportError)
pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from mmengine.registry import init_default_scope
from pipeline_runs import StopAfter, execution, numbers

from polyrepro.data.drawn.lidar_scenes import prepare_lidar_scenes
from polyrepro.data.lidar.lidar_format import open_lidar
from polyrepro.data.manifests import write_manifest
from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.lidar import small_pointpillars
from polyrepro.detection.lidar.lidar_evaluation import lidar_counts
from polyrepro.detection.lidar.training3d import train_run
from polyrepro.detection.lidar.waymo_ap import metrics_of
from polyrepro.recipes import RECIPES
from polyrepro.running.interruption import InterruptedTrainingError
from polyrepro.runs import Run
from polyrepro.variants import Variant, focal, poly1_focal, poly_loss

FEW = {"train": 4, "validation": 2, "test": 3}
STEPS = 4
"""Of a training: two epochs of two."""
POLY = poly1_focal(-1.0, 2.0)


@pytest.fixture(autouse=True, scope="module")
def _scope():
    """The other tests of this folder go on with that of MMDetection."""
    yield
    init_default_scope("mmdet")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Scenes of which one has neither objects nor points."""
    folder = tmp_path_factory.mktemp("lidar_scenes")
    write_manifest(folder, prepare_lidar_scenes(folder, FEW))
    opened = open_lidar(folder)
    path = opened.annotations["train"]
    content = json.loads(path.read_text())
    content["data_list"][1]["instances"] = []
    path.write_text(json.dumps(content))
    (opened.points["train"] / "0000001.bin").write_bytes(b"")
    return opened


def small_run(variant: Variant = POLY, **changed) -> Run:
    recipe = RECIPES["pointpillars_lidar_scenes"].model_copy(update={"epochs": 2} | changed)
    return Run(recipe=recipe, variant=variant, seed=1)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """Folder and history of an undisturbed training with Poly-1, an empty scene in it."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train_run(small_run(), data, folder, "x", execution()).history


def test_metrics_are_those_of_the_written_predictions(data, whole):
    folder, history = whole
    for split in ("validation", "test"):
        path = folder / f"predictions_{split}.lidar.json"
        frames = json.loads(path.read_text())
        assert [frame["sample_idx"] for frame in frames] == list(range(FEW[split]))
        assert all(len(e["bbox_3d"]) == 7 for f in frames for e in f["instances"])
        (row,) = [row for row in history if row["split"] == split]
        expected = metrics_of(lidar_counts(data.annotations[split], path, data.classes))
        assert row == {"epoch": 2, "split": split} | expected
        assert {"vehicle_ap_l1", "pedestrian_aph_l2", "ap_l1"} <= set(row)


def test_objects_found_as_they_are_have_an_ap_of_100(data, tmp_path):
    truth = json.loads(data.annotations["test"].read_text())["data_list"]
    for frame in truth:
        for entry in frame["instances"]:
            entry["score"] = 0.5
    (tmp_path / "found.json").write_text(json.dumps(truth))
    found = lidar_counts(data.annotations["test"], tmp_path / "found.json", data.classes)
    metrics = metrics_of(found)
    assert list(metrics.values()) == pytest.approx([100] * len(metrics))
    assert len(metrics) == 12


def test_the_history_has_loss_and_confidence_of_each_epoch(whole):
    folder, history = whole
    rows = [row for row in history if row["split"] == "train"]
    lines = (folder / "target_probability.jsonl").read_text().splitlines()
    assert [row["epoch"] for row in rows] == [1, 2] and len(lines) == 2
    for row, line in zip(rows, map(json.loads, lines), strict=True):
        assert row["loss"] > 0
        assert row["mean_pt_foreground"] == line["foreground"]["mean_pt"]
        # About one pair of anchor and class in a thousand is right.
        assert 300 < line["background"]["count"] / line["foreground"]["count"] < 3000


def test_variants_of_a_seed_are_pairs(data, tmp_path):
    """With epsilon 0 Poly-1 is the focal loss, up to rounding: all else must be the same."""
    zero = Variant(name="zero", loss=poly_loss((0.0,), gamma=2.0))
    runs = small_run(focal(2.0), epochs=1), small_run(zero, epochs=1)
    histories = [
        numbers(train_run(run, data, tmp_path / run.variant.name, "x", execution()).history)
        for run in runs
    ]
    for stock, poly in zip(*histories, strict=True):
        assert stock.pop("split") == poly.pop("split")
        assert stock == pytest.approx(poly, rel=1e-6, abs=1e-3)


def test_a_signal_stops_after_the_step_and_the_run_goes_on_to_the_same_numbers(
    data, whole, tmp_path
):
    with pytest.raises(InterruptedTrainingError, match="after step 3 on SIGTERM, with"):
        train_run(small_run(), data, tmp_path, "x", execution(StopAfter(2)))
    resumed = train_run(small_run(), data, tmp_path, "x", execution())
    assert numbers(resumed.history) == numbers(whole[1])


def test_the_body_starts_from_the_shipped_weights_and_the_head_does_not():
    from safetensors.torch import load_file

    path = small_pointpillars.weights()
    assert path.stat().st_size < 500_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == small_pointpillars.SHA256
    found = load_file(path)
    assert all(name.startswith(small_pointpillars.BODY) for name in found)
    assert {name.split(".")[0] for name in found} == {"voxel_encoder", "backbone", "neck"}


def test_damaged_weights_are_refused(monkeypatch, tmp_path):
    path = tmp_path / "pointpillars.safetensors"
    path.write_bytes(b"something else")
    monkeypatch.setattr(small_pointpillars, "WEIGHTS", path)
    with pytest.raises(DetectionError, match=r"are damaged: sha256 is .*; restore it with `git ch"):
        small_pointpillars.weights()
    path.unlink()
    with pytest.raises(
        DetectionError, match=r"cannot read the weights .*make_embedded_pointpillars"
    ):
        small_pointpillars.weights()
