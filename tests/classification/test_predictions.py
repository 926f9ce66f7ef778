"""The predictions that a finished run leaves, image by image."""

import hashlib
import signal

import numpy as np
import pytest
import torch
from small_trainings import ALONE, HERE, POLY1, RUN, interrupted_at

from polyrepro.classification import classifier_training
from polyrepro.classification.evaluator import Evaluator
from polyrepro.classification.loop import train
from polyrepro.classification.predictions import (
    Predictions,
    read_predictions,
    write_predictions,
)
from polyrepro.compact_predictions import PredictionsError
from polyrepro.data import load
from polyrepro.files import compact_predictions_path
from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import InterruptedTrainingError, Interruption
from polyrepro.running.jobs import train_and_record
from polyrepro.running.records import finished_record
from polyrepro.runs import Run

SMALL = RUN.recipe.model_copy(update={"epochs": 2, "train_images": 384})
ONE = Run(recipe=SMALL, variant=POLY1, seed=0)


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A results folder with a finished run, and its record."""
    results = tmp_path_factory.mktemp("results")
    return results, train_and_record(results, ONE, data, HERE)


def stored(results, record):
    return read_predictions(compact_predictions_path(results, ONE.id), record["predictions"])


def final_rows(record):
    return {row["split"]: row for row in record["history"] if row["epoch"] == SMALL.epochs}


@pytest.mark.parametrize("split", ["validation", "test"])
def test_they_are_those_that_the_metrics_were_made_of(finished, data, split):
    results, record = finished
    classes, pt = stored(results, record)[split]
    row, labels = final_rows(record)[split], data.splits[split].labels
    assert (classes.dtype, pt.dtype, classes.shape) == (np.uint16, np.float32, labels.shape)
    assert 100 * np.mean(classes == labels) == pytest.approx(row["top1"])
    assert pt.mean() == pytest.approx(row["mean_pt"])
    assert -np.log(pt).mean() == pytest.approx(row["cross_entropy"], rel=1e-5)


def test_the_record_has_their_checksum(finished, data):
    results, record = finished
    content = compact_predictions_path(results, ONE.id).read_bytes()
    assert record["predictions"] == hashlib.sha256(content).hexdigest()
    images = sum(len(data.splits[split].labels) for split in ("validation", "test"))
    assert len(content) < 6 * images


def test_calibration_is_measured_again_with_a_temperature_after_the_last_epoch_only(finished):
    _, record = finished
    row = final_rows(record)["test"]
    assert row["cross_entropy_scaled"] < row["cross_entropy"]
    assert 0 <= row["ece_scaled"] <= 100 and row["temperature"] > 0
    assert [row for row in record["history"] if "temperature" in row] == [row]


@pytest.mark.parametrize("step", [3, 6])
def test_a_resumed_run_leaves_the_same_bytes(finished, data, tmp_path, step):
    """Interrupted inside the training, and after its last step."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", "x", ALONE)
    interrupted_at(ONE, data, step, checkpoints)
    outcome = classifier_training.train_run(ONE, data, tmp_path, "x", HERE)
    assert outcome.predictions == finished[1]["predictions"]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_interrupted_in_the_last_evaluation_it_makes_them_again(
    finished, data, tmp_path, monkeypatch, split
):
    interruption = Interruption()
    evaluate = Evaluator.evaluate

    def signalled(self, model, which, epoch):
        if (which, epoch) == (split, SMALL.epochs):
            interruption.requested = signal.SIGTERM
        return evaluate(self, model, which, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "evaluate", signalled)
        with pytest.raises(InterruptedTrainingError, match="after step 6 on SIGTERM"):
            classifier_training.train_run(ONE, data, tmp_path, "x", Execution(ALONE, interruption))
    assert (
        classifier_training.train_run(ONE, data, tmp_path, "x", HERE).predictions
        == (finished[1]["predictions"])
    )


def test_a_signal_after_the_last_evaluation_comes_too_late(data, monkeypatch):
    """A checkpoint there would hold no predictions."""
    interruption = Interruption()
    evaluate = Evaluator.evaluate

    def signalled(self, model, which, epoch):
        metrics = evaluate(self, model, which, epoch)
        if (which, epoch) == ("test", SMALL.epochs):
            interruption.requested = signal.SIGTERM
        return metrics

    monkeypatch.setattr(Evaluator, "evaluate", signalled)
    trained = train(ONE, data, Execution(ALONE, interruption))
    assert set(trained.predictions) == {"validation", "test"}


def test_a_run_that_dies_while_it_writes_them_has_no_record(data, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("polyrepro.compact_predictions.write_atomically", full)
        with pytest.raises(OSError, match="No space left"):
            train_and_record(tmp_path, ONE, data, HERE)
    assert finished_record(tmp_path, ONE, data.citation) is None


def example():
    return Predictions(np.arange(3, dtype=np.uint16), np.linspace(0, 1, 3, dtype=np.float32))


def test_equal_predictions_give_equal_bytes(tmp_path):
    sums = [write_predictions(tmp_path / name, {"test": example()}) for name in "ab"]
    assert sums[0] == sums[1]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_other_predictions_than_the_records_are_refused(tmp_path, damage):
    path = tmp_path / "predictions.npz"
    sha256 = write_predictions(path, {"test": example()})
    assert torch.equal(
        torch.from_numpy(read_predictions(path, sha256)["test"].target_probability),
        torch.tensor([0, 0.5, 1]),
    )
    if damage == "missing":
        path.unlink()
        message = r"cannot read the predictions .*\.npz: No such file .*then trains the run again"
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        message = r"\.npz are not those of the run's record: sha256 .*remove the file: .*then"
    with pytest.raises(PredictionsError, match=message):
        read_predictions(path, sha256)
