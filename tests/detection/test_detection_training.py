"""Trainings of the pipeline: metrics, pairs of variants, resuming to the same numbers, errors."""

import json

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from pipeline_runs import FEW, STEPS, StopAfter, execution, numbers, opened, small_run
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from polyrepro.data.coco_format import CocoSource, verify_coco
from polyrepro.data.composites import prepare_composites
from polyrepro.detection import run_hooks
from polyrepro.detection.errors import DetectionError
from polyrepro.detection.training import train_run
from polyrepro.running.interruption import InterruptedTrainingError
from polyrepro.variants import poly_loss

SIZES = ("small", "medium", "large")
COCO_NAMES = ["ap", "ap50", "ap75", *(f"ap_{size}" for size in SIZES)]
COCO_NAMES += ["ar1", "ar10", "ar100", *(f"ar_{size}" for size in SIZES)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("composites")
    return opened(folder, prepare_composites(folder, FEW))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """Folder and history of an undisturbed training with Poly-1."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train_run(small_run(POLY), data, folder, "x", execution()).history


POLY = poly_loss((-1.0,))


def test_ap_and_ar_are_those_of_pycocotools_on_the_dumped_predictions(data, whole):
    folder, history = whole
    for split in ("validation", "test"):
        (row,) = [row for row in history if row["split"] == split]
        assert row["epoch"] == 2
        truth = COCO(str(data.annotations[split]))
        for kind, name in (("bbox", "box"), ("segm", "mask")):
            found = truth.loadRes(str(folder / f"predictions_{split}.{kind}.json"))
            evaluation = COCOeval(truth, found, kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            for metric, value in zip(COCO_NAMES, evaluation.stats, strict=True):
                key = f"{name}_{metric}"
                assert key not in row if value < 0 else row[key] == pytest.approx(100 * value)


def test_the_history_has_loss_and_confidence_of_each_epoch(whole):
    folder, history = whole
    rows = [row for row in history if row["split"] == "train"]
    lines = (folder / "target_probability.jsonl").read_text().splitlines()
    assert [row["epoch"] for row in rows] == [1, 2] and len(lines) == 2
    for row, line in zip(rows, map(json.loads, lines), strict=True):
        assert row["loss"] > 0 and row["seconds"] > 0
        counts = [line[group]["count"] for group in ("foreground", "background")]
        means = [row["mean_pt_foreground"], row["mean_pt_background"]]
        expected = sum(c * m for c, m in zip(counts, means, strict=True)) / sum(counts)
        assert row["mean_pt"] == pytest.approx(expected)
        assert means[0] == line["foreground"]["mean_pt"]


def test_variants_of_a_seed_are_pairs(data, tmp_path):
    """With epsilon 0 the Poly loss is cross-entropy: everything else must be the same."""
    stock = train_run(small_run(), data, tmp_path / "a", "x", execution())
    zero = train_run(small_run(poly_loss((0.0,))), data, tmp_path / "b", "x", execution())
    assert numbers(stock.history) == numbers(zero.history)


@pytest.mark.parametrize("step", [1, 4])
def test_a_signal_stops_after_the_step_and_the_run_goes_on_to_the_same_numbers(
    data, whole, tmp_path, step
):
    run = small_run(POLY)
    with pytest.raises(InterruptedTrainingError, match=rf"stopped after step {step}; run the same"):
        train_run(run, data, tmp_path, "x", execution(StopAfter(step - 1)))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [f"step_{step:09d}.pth"]
    resumed = train_run(run, data, tmp_path, "x", execution())
    assert numbers(resumed.history) == numbers(whole[1])


def test_a_kill_and_a_damaged_checkpoint_lead_to_the_same_numbers(
    data, whole, tmp_path, monkeypatch, capsys
):
    class Killed(BaseException):
        pass

    class KilledDuring(StopAfter):
        @property
        def requested(self):
            if self.steps == 0:
                raise Killed
            self.steps -= 1

    monkeypatch.setattr(run_hooks, "INTERVAL", 0.0)
    with pytest.raises(Killed):
        train_run(small_run(POLY), data, tmp_path, "x", execution(KilledDuring(STEPS - 1)))
    older, newest = sorted((tmp_path / "checkpoints").glob("step_*.pth"))
    assert newest.name == "step_000000005.pth"
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = train_run(small_run(POLY), data, tmp_path, "x", execution())
    assert f"{newest} cannot be read" in capsys.readouterr().err
    assert older.exists() is False, "newer ones have taken its place"
    assert numbers(resumed.history) == numbers(whole[1])


def test_checkpoints_of_something_else_are_refused(data, tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    torch.save({"meta": {"identity": "other"}, "state_dict": {}}, folder / "step_000000001.pth")
    with pytest.raises(DetectionError, match="belongs to another configuration of this run"):
        train_run(small_run(), data, tmp_path, "x", execution())
    torch.save({"meta": Dangerous()}, folder / "step_000000002.pth")
    with pytest.raises(DetectionError, match=r"step_000000002.pth was refused.*could run code"):
        train_run(small_run(), data, tmp_path, "x", execution())


class Dangerous:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return __import__, ("os",)


@pytest.mark.parametrize(
    ("recipe", "loss", "message"),
    [
        (
            "mask_rcnn_composites",
            poly_loss(gamma=2.0),
            "has gamma = 0 and all terms, so a variant with",
        ),
        ("retinanet_composites", poly_loss(), "bbox_head.loss_cls has gamma = 2 and all terms"),
        ("mask_rcnn_composites", poly_loss(terms=3), "terms = 3 cannot be trained with it"),
    ],
)
def test_a_loss_that_the_head_does_not_have_is_an_error(data, tmp_path, recipe, loss, message):
    with pytest.raises(DetectionError, match=message):
        train_run(small_run(loss, recipe), data, tmp_path, "x", execution())


def without_masks(data, folder):
    """The data without masks, with gaps in the ids and an image without objects."""
    sources = {}
    for split, path in data.annotations.items():
        content = json.loads(path.read_text())
        first = content["images"][0]["id"]
        kept = [entry for entry in content["annotations"] if entry["image_id"] != first]
        for entry in kept:
            del entry["segmentation"]
            entry["category_id"] = 7 * entry["category_id"] ** 2
        for category in content["categories"]:
            category["id"] = 7 * category["id"] ** 2
        changed = folder / f"{split}_boxes.json"
        changed.write_text(json.dumps(content | {"annotations": kept}))
        sources[split] = CocoSource(changed, data.images[split])
    return opened(folder, verify_coco("boxes", sources, folder))


@pytest.mark.parametrize(
    ("recipe", "loss"),
    [
        ("mask_rcnn_coco_folder", POLY),
        ("retinanet_coco_folder", poly_loss((-1.0,), gamma=2.0)),
    ],
)
def test_data_without_masks_with_gaps_and_empty_images_is_trained_on(data, tmp_path, recipe, loss):
    boxes = without_masks(data, tmp_path)
    assert boxes.citation["splits"]["train"]["images_without_objects"] == 1
    outcome = train_run(
        small_run(loss, recipe, epochs=1), boxes, tmp_path / "run", "x", execution()
    )
    test = outcome.history[-1]
    assert "box_ar100" in test and not any(name.startswith("mask") for name in test)
    written = json.loads((tmp_path / "run/predictions_test.bbox.json").read_text())
    categories = json.loads(boxes.annotations["test"].read_text())["categories"]
    assert {entry["category_id"] for entry in written} <= {entry["id"] for entry in categories}
