"""Trainings of the pipeline: metrics, pairs of variants, resuming to the same numbers, errors."""

import json
import logging
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from mmdet.registry import MODELS
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from pipeline_runs import FEW, STEPS, StopAfter, execution, numbers, opened, small_run
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from polyrepro.data.coco.coco_format import verify_coco
from polyrepro.data.coco.reading import CocoSource
from polyrepro.data.drawn.composites import prepare_composites
from polyrepro.detection import detector_training
from polyrepro.detection.configuration import run_config
from polyrepro.detection.detection_errors import DetectionError, NonFiniteLossError
from polyrepro.detection.detector_training import loss_hooks, train_run
from polyrepro.detection.heads import classification_losses
from polyrepro.losses import PolySeries
from polyrepro.running.checkpoints import CheckpointError, Checkpoints
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


@pytest.mark.parametrize("images", [2, 4])
def test_a_run_of_one_or_two_steps_is_trained(data, tmp_path, images):
    """Its warm-up would be as long as the whole run."""
    short = small_run(recipe="retinanet_composites", epochs=1, train_images=images, warmup=0.9)
    (row,) = [
        row
        for row in train_run(short, data, tmp_path, "x", execution()).history
        if row["split"] == "train"
    ]
    assert row["loss"] > 0


def test_variants_of_a_seed_are_pairs(data, tmp_path):
    """With epsilon 0 the Poly loss is cross-entropy: everything else must be the same."""
    stock = train_run(small_run(), data, tmp_path / "a", "x", execution())
    zero = train_run(small_run(poly_loss((0.0,))), data, tmp_path / "b", "x", execution())
    assert numbers(stock.history) == numbers(zero.history)


@pytest.mark.parametrize("step", [1, 4, STEPS])
def test_a_signal_stops_after_the_step_and_the_run_goes_on_to_the_same_numbers(
    data, whole, tmp_path, step
):
    run = small_run(POLY)
    with pytest.raises(InterruptedTrainingError, match=rf"after step {step} on SIGTERM, with"):
        train_run(run, data, tmp_path, "x", execution(StopAfter(step - 1)))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [f"step_{step:09d}"]
    resumed = train_run(run, data, tmp_path, "x", execution())
    assert numbers(resumed.history) == numbers(whole[1])


def test_a_run_stopped_twice_while_it_is_evaluated_goes_on_to_the_same_numbers(
    data, whole, tmp_path, monkeypatch
):
    run = small_run(POLY)
    for steps in (STEPS, 1):
        with pytest.raises(InterruptedTrainingError, match=rf"stopped after step {STEPS} on"):
            train_run(run, data, tmp_path, "x", execution(StopAfter(steps)))
        # In a process of its own, which the next start would be, nothing is registered yet.
        monkeypatch.setattr(HistoryBuffer, "_statistics_methods", {})
    resumed = train_run(run, data, tmp_path, "x", execution())
    assert numbers(resumed.history) == numbers(whole[1])
    assert (tmp_path / "target_probability.jsonl").read_text() == (
        whole[0] / "target_probability.jsonl"
    ).read_text()


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

    monkeypatch.setattr(Checkpoints, "due", True)
    with pytest.raises(Killed):
        train_run(small_run(POLY), data, tmp_path, "x", execution(KilledDuring(STEPS - 1)))
    older, newest = sorted((tmp_path / "checkpoints").glob("step_*"))
    assert newest.name == "step_000000005"
    state = newest / "state.pth"
    state.write_bytes(state.read_bytes()[:1000])
    with (tmp_path / "target_probability.jsonl").open("a") as file:
        file.write('{"epoch": 2, "iter')  # killed while it wrote a line
    resumed = train_run(small_run(POLY), data, tmp_path, "x", execution())
    assert f"{newest} is not used: it is damaged: state.pth" in capsys.readouterr().err
    assert older.exists() is False, "newer ones have taken its place"
    assert numbers(resumed.history) == numbers(whole[1])


@pytest.mark.parametrize("kind", ["weight", "running_var"])
def test_a_state_that_is_not_finite_in_the_end_is_named_not_evaluated(
    data, tmp_path, monkeypatch, kind
):
    train = Runner.train

    def spoilt(runner):
        train(runner)
        for name, value in runner.model.state_dict().items():
            if name.startswith("backbone") and name.endswith(kind):
                value.fill_(math.nan)
                return

    monkeypatch.setattr(Runner, "train", spoilt)
    short = small_run(recipe="retinanet_composites", epochs=1, train_images=2)
    with pytest.raises(NonFiniteLossError, match=rf"seed1: backbone.*{kind} is not finite after"):
        train_run(short, data, tmp_path, "x", execution())
    assert not list(tmp_path.glob("predictions*"))


def test_metrics_that_are_not_finite_name_run_and_split(data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        detector_training, "evaluate_coco", lambda *_: ({"box_ap": 1.0, "box_ar1": math.nan}, {})
    )
    short = small_run(recipe="retinanet_composites", epochs=1, train_images=2)
    with pytest.raises(NonFiniteLossError, match=r"seed1: .*validation images gives box_ar1 = nan"):
        train_run(short, data, tmp_path, "x", execution())


def test_checkpoints_of_something_else_are_refused(data, tmp_path):
    folder = tmp_path / "checkpoints"
    other = Checkpoints(folder, "other", execution().processes)
    other.save(1, lambda path: torch.save({"meta": {}}, path / "state.pth"))
    with pytest.raises(CheckpointError, match="belongs to another configuration of this run"):
        train_run(small_run(), data, tmp_path, "x", execution())
    forged = Checkpoints(folder, "x", execution().processes)
    forged.save(2, lambda path: torch.save({"meta": Dangerous()}, path / "state.pth"))
    with pytest.raises(DetectionError, match=r"step_000000002/state.pth was refused.*could run"):
        train_run(small_run(), data, tmp_path, "x", execution())


class Dangerous:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return __import__, ("os",)


@pytest.mark.parametrize(
    ("recipe", "loss", "expected"),
    [
        ("mask_rcnn_composites", poly_loss(), None),
        ("mask_rcnn_composites", poly_loss(gamma=2.0), PolySeries(gamma=2.0)),
        ("mask_rcnn_composites", poly_loss(terms=3), PolySeries(terms=3)),
        ("retinanet_composites", poly_loss(gamma=2.0), None),
        ("retinanet_composites", poly_loss(), PolySeries()),
        ("retinanet_composites", POLY, PolySeries(-1.0)),
    ],
)
def test_the_variant_s_loss_is_what_the_head_computes(data, recipe, loss, expected):
    """None: the stock loss of the head, which stays."""
    model = MODELS.build(built_for(recipe, data))
    stock = classification_losses(model)[0].loss
    for hook in loss_hooks(model, small_run(loss, recipe)):
        hook.before_run(SimpleNamespace(model=model, logger=logging.getLogger()))
    found = classification_losses(model)[0].loss
    if expected is None:
        assert found is stock
    else:
        assert found.series == expected
        assert getattr(found, "alpha", None) == getattr(stock, "alpha", None)


def built_for(recipe, data):
    config = run_config(small_run(recipe=recipe), data, Path("unused"), execution(), None)
    return config.model


def test_label_smoothing_is_refused(data):
    smoothed = small_run(POLY.model_copy(update={"label_smoothing": 0.1}))
    with pytest.raises(DetectionError, match=r"seed1: label smoothing is not defined.*leave it"):
        loss_hooks(MODELS.build(built_for("mask_rcnn_composites", data)), smoothed)


def test_alpha_is_the_head_s(data):
    weighted = small_run(POLY.model_copy(update={"alpha": 0.25}))
    with pytest.raises(
        DetectionError, match=r"seed1: the alpha of a detector's focal loss is that"
    ):
        loss_hooks(MODELS.build(built_for("mask_rcnn_composites", data)), weighted)


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
