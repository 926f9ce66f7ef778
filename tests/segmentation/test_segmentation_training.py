"""Trainings of the segmentation on a few drawn scenes: results, pairs, resuming, refusals."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from forked_commands import CONTEXT
from torchvision.ops import sigmoid_focal_loss

from polyrepro.classification.failures import TrainingError
from polyrepro.compact_predictions import read_arrays
from polyrepro.data.drawn.lidar_scenes import prepare_lidar_scenes
from polyrepro.data.lidar.lidar_format import open_lidar
from polyrepro.data.lidar.range_images import range_images
from polyrepro.data.manifests import write_manifest
from polyrepro.errors import DeviceError
from polyrepro.losses import PolySeries
from polyrepro.recipes import RECIPES
from polyrepro.running import checkpoints
from polyrepro.running.checkpoints import CheckpointError, Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import InterruptedTrainingError, Interruption
from polyrepro.running.jobs import train_and_record
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.segmentation.metrics import segmentation_metrics
from polyrepro.segmentation.network import RangeUNet
from polyrepro.segmentation.prepare import ForegroundLoss
from polyrepro.segmentation.segmentation_training import train_run
from polyrepro.variants import Loss, Variant, focal, poly1_focal, poly_loss

FEW = {"train": 5, "validation": 2, "test": 3}
STEPS = 6
"""Of a training: two epochs of three, the last step of each with a single sweep."""
POLY = poly1_focal(-0.4, 2.0)
HERE = Execution(Processes(torch.device("cpu")))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lidar_scenes")
    write_manifest(folder, prepare_lidar_scenes(folder, FEW))
    return open_lidar(folder)


def small_run(variant: Variant = POLY, **changed) -> Run:
    small = {"epochs": 2, "batch_size": 2}
    recipe = RECIPES["range_unet_lidar_scenes"].model_copy(update=small | changed)
    return Run(recipe=recipe, variant=variant, seed=1)


def without_times(history):
    times = ("seconds", "images_per_second")
    return [{key: v for key, v in row.items() if key not in times} for row in history]


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """Folder and outcome of an undisturbed training."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train_run(small_run(), data, folder, "x", HERE)


def test_metrics_are_those_of_the_kept_counts(data, whole):
    folder, outcome = whole
    arrays = read_arrays(folder / "predictions.npz", outcome.predictions)
    assert arrays["test_shown"].shape == (1, 64, 360) and arrays["test_shown"].dtype == np.uint8
    for split in ("validation", "test"):
        counts = arrays[f"{split}_scores"]
        returned = range_images(data, split).labels >= 0
        assert (counts.sum((1, 2)) == returned.sum((1, 2))).all()
        (row,) = [row for row in outcome.history if row["split"] == split]
        expected = segmentation_metrics(counts.astype(int).sum(0), data.classes)
        assert row == {"epoch": 2, "split": split} | expected


def test_the_history_has_loss_and_confidence_of_each_epoch(whole):
    folder, outcome = whole
    rows = [row for row in outcome.history if row["split"] == "train"]
    lines = (folder / "target_probability.jsonl").read_text().splitlines()
    assert [row["epoch"] for row in rows] == [1, 2] and len(lines) == 2
    for row, line in zip(rows, map(json.loads, lines), strict=True):
        assert 0 < row["loss"] < 0.2 and row["images_per_second"] > 0
        assert row["mean_pt_foreground"] == line["foreground"]["mean_pt"]
        assert len(line["background"]["histogram"]) == 20
    assert rows[1]["loss"] < rows[0]["loss"]


def test_the_loss_is_torchvisions_focal_loss_over_the_pixels_with_a_return():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 8, 8, generator=draw)
    labels = torch.randint(-1, 3, (2, 8, 8), generator=draw, dtype=torch.int8)
    loss = ForegroundLoss(PolySeries((), None, 2.0), 0.25)(logits, labels)
    returned = labels >= 0
    target = (labels[returned] > 0).float()
    expected = sigmoid_focal_loss(logits[returned], target, 0.25, 2.0, "mean")
    torch.testing.assert_close(loss, expected)


def test_variants_of_a_seed_are_pairs(data, tmp_path):
    """With epsilon 0 Poly-1 is the focal loss, up to rounding: all else must be the same."""
    zero = Variant(name="zero", loss=poly_loss((0.0,), gamma=2.0))
    runs = small_run(focal(2.0), epochs=1), small_run(zero, epochs=1)
    histories = [
        without_times(train_run(run, data, tmp_path / run.variant.name, "x", HERE).history)
        for run in runs
    ]
    for stock, poly in zip(*histories, strict=True):
        assert stock.pop("split") == poly.pop("split")
        assert stock == pytest.approx(poly, rel=1e-4, abs=1e-2)


class StopAfter(Interruption):
    """A signal that comes while the given step is trained."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    @property
    def requested(self):
        self.steps -= 1
        return signal.SIGTERM if self.steps < 0 else None


def assert_goes_on_to_the_same_bits(data, folder, whole):
    resumed = train_run(small_run(), data, folder, "x", HERE)
    whole_folder, undisturbed = whole
    assert without_times(resumed.history) == without_times(undisturbed.history)
    assert resumed.predictions == undisturbed.predictions
    course = "target_probability.jsonl"
    assert (folder / course).read_bytes() == (whole_folder / course).read_bytes()


@pytest.mark.parametrize("step", [2, 3, STEPS])
def test_a_signal_stops_after_the_step_and_the_run_goes_on_to_the_same_bits(
    data, whole, tmp_path, step
):
    stopping = Execution(Processes(torch.device("cpu")), StopAfter(step - 1))
    with pytest.raises(InterruptedTrainingError, match=f"after step {step} on SIGTERM, with"):
        train_run(small_run(), data, tmp_path, "x", stopping)
    assert_goes_on_to_the_same_bits(data, tmp_path, whole)


class KilledError(BaseException):
    """In the place of SIGKILL: nothing that the training could handle."""


def test_killed_after_a_checkpoint_it_ends_with_the_same_bits(data, whole, tmp_path, monkeypatch):
    original = Checkpoints.save

    def save_then_die_later(self, position, write):
        if position == 4:  # the newest checkpoint is that of step 3
            raise KilledError
        original(self, position, write)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "due", property(lambda self: True))
        patch.setattr(Checkpoints, "save", save_then_die_later)
        with pytest.raises(KilledError):
            train_and_record(tmp_path, small_run(), data, HERE)
    record = train_and_record(tmp_path, small_run(), data, HERE)
    assert without_times(record["history"]) == without_times(whole[1].history)
    assert record["predictions"] == whole[1].predictions
    assert record["recipe"]["kind"] == "segmentation"
    (folder,) = (tmp_path / "runs").glob("*/*/seed1.*")
    assert not (folder / "checkpoints").exists()


def train_until_killed(module: object, name: str, calls: int, data: Path, folder: Path) -> None:
    """In a process of its own: checkpoints after every step, and a real SIGKILL inside a call."""
    original, seen = getattr(module, name), []

    def killing(*arguments):
        seen.append(arguments)
        if len(seen) == calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)

    setattr(module, name, killing)
    Checkpoints.due = property(lambda self: True)
    torch.set_num_threads(1)
    train_run(small_run(), open_lidar(data), folder, "x", HERE)


def killed_in_a_step(data: Path, folder: Path) -> None:
    """Before the optimiser has stepped, in the second step of the second epoch."""
    train_until_killed(torch.optim.AdamW, "zero_grad", 5, data, folder)


def killed_in_a_checkpoint(data: Path, folder: Path) -> None:
    """When the files of the fifth one have been written, but not described."""
    train_until_killed(checkpoints, "write_durably", 5, data, folder)


@pytest.mark.parametrize("killed", [killed_in_a_step, killed_in_a_checkpoint])
def test_after_a_real_kill_it_ends_with_the_same_bits(data, whole, tmp_path, killed):
    process = CONTEXT.Process(target=killed, args=(data.annotations["train"].parent, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    left = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    unfinished = [f".writing_{process.pid}"] if killed is killed_in_a_checkpoint else []
    assert left == [*unfinished, "step_000000003", "step_000000004"]
    assert_goes_on_to_the_same_bits(data, tmp_path, whole)


def test_a_checkpoint_of_another_run_is_refused(data, tmp_path):
    stopping = Execution(Processes(torch.device("cpu")), StopAfter(0))
    with pytest.raises(InterruptedTrainingError):
        train_run(small_run(), data, tmp_path, "x", stopping)
    with pytest.raises(CheckpointError, match="belongs to another configuration of this run"):
        train_run(small_run(), data, tmp_path, "y", HERE)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Loss(label_smoothing=0.1), "label smoothing is not defined for the segmentation"),
        (Loss(alpha=0.5), r"the alpha of the segmentation is that of its recipe \(0\.25\)"),
    ],
)
def test_a_loss_that_the_segmentation_has_not_is_refused(data, tmp_path, loss, message):
    run = small_run(Variant(name="other", loss=loss))
    with pytest.raises(TrainingError, match=message):
        train_run(run, data, tmp_path, "x", HERE)
    assert not list(tmp_path.iterdir())


def test_several_processes_are_refused(data, tmp_path):
    two = Execution(Processes(torch.device("cpu"), count=2))
    with pytest.raises(DeviceError, match="in one process, not in 2; leave processes_per_run out"):
        train_run(small_run(), data, tmp_path, "x", two)


def test_a_loss_that_is_not_finite_names_step_and_sweeps(data, tmp_path):
    run = small_run(learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"the loss is nan at step \d .*images were: 00000"):
        train_run(run, data, tmp_path, "x", HERE)


def test_a_network_that_is_not_finite_after_the_last_step_is_refused(data, tmp_path):
    one_step = {"epochs": 1, "train_images": 2, "warmup_epochs": 0.0, "learning_rate": 1e30}
    with pytest.raises(TrainingError, match=r"predicts NaN or infinity for valid.* Lower"):
        train_run(small_run(**one_step), data, tmp_path, "x", HERE)


def test_the_network_sees_every_pixel_and_starts_with_little_foreground():
    torch.manual_seed(0)
    network = RangeUNet(3)
    images = torch.randn(2, 3, 64, 360, requires_grad=True)
    logits = network(images)
    assert logits.shape == (2, 64, 360)
    assert 0.02 < logits.sigmoid().mean() < 0.4
    network.eval()(images)[0, 20, 100].backward()
    touched = images.grad[0].abs().sum(0) > 0
    assert touched[16:26, 90:110].all() and not images.grad[1].any()
