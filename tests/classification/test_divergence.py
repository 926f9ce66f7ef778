"""Runs that leave the range of numbers: a result where the learning rate is raised, else none."""

import pandas as pd
import pytest
import torch
from small_trainings import HERE

from polyrepro.analysis.collapse import collapsed_runs
from polyrepro.analysis.metrics_checks import check_metrics
from polyrepro.analysis.metrics_table import record_rows
from polyrepro.classification import initial_state
from polyrepro.classification.divergence import guessing
from polyrepro.classification.failures import DivergedError, TrainingError
from polyrepro.classification.loop import train
from polyrepro.classification.metric_sums import Metrics
from polyrepro.data import load
from polyrepro.losses import HardGate, PolySeries
from polyrepro.recipes.fashion_mnist import FASHION_MNIST
from polyrepro.running.execution import Execution
from polyrepro.running.jobs import progress_line, train_and_record
from polyrepro.running.processes import Processes
from polyrepro.running.records import finished_record
from polyrepro.running.run_folders import run_folder
from polyrepro.runs import Run
from polyrepro.variants import cross_entropy

# Momentum and rate carry the weights out of float32 within two epochs, whatever the gradients are.
RECIPE = FASHION_MNIST.model_copy(
    update={"epochs": 2, "train_images": 600, "learning_rate": 1e18, "warmup_epochs": 0.0}
)
RAISED = cross_entropy(2.0)


def run(variant=RAISED, seed=0, **changes):
    return Run(recipe=RECIPE.model_copy(update=changes), variant=variant, seed=seed)


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


@pytest.fixture(scope="module")
def diverged(data, tmp_path_factory):
    """The record of a real training that diverges, and the folder of its results."""
    results = tmp_path_factory.mktemp("results")
    return train_and_record(results, run(), data, HERE), results


def test_the_record_says_how_and_when_and_holds_the_accuracy_of_guessing(diverged, data):
    record, results = diverged
    assert "cross_entropy_lr_x2/seed0: the loss is nan at step" in record["diverged"]
    test = record["history"][-1]
    assert (test["epoch"], test["split"], test["top1"]) == (2, "test", 10.0)
    step = test["diverged_after_step"]
    assert 1 <= step < 8 and f"at step {step + 1} " in record["diverged"]
    assert record["predictions"] is None
    assert finished_record(results, run(), data.citation) == record
    assert {path.name for path in run_folder(results, run(), data.citation).iterdir()} == {
        "lock",
        "record.json",
    }
    assert progress_line(run(), record, 1.0).endswith(
        "test top1 10.00 % (diverged; counts as guessing)"
    )


def test_its_rows_have_the_metrics_of_every_other_run(diverged, data):
    finished = train(run(learning_rate=0.1), data, HERE)
    assert finished.diverged is None
    times = {"seconds", "images_per_second"}
    for split, more in (("train", set()), ("validation", set()), ("test", {"diverged_after_step"})):
        ends = [
            next(r for r in reversed(rows) if r["split"] == split and r["epoch"] == 2)
            for rows in (finished.history, diverged[0]["history"])
        ]
        assert set(ends[1]) - more == set(ends[0]) - times


def test_the_tidy_table_takes_it_beside_runs_that_went_on(diverged, data, tmp_path):
    reference = train_and_record(tmp_path, run(cross_entropy(), learning_rate=0.1), data, HERE)
    rows = [
        {"study": "truncation_lr", "scale": "embedded"} | row | {"learning_rate": 0.1}
        for record in (reference, diverged[0])
        for row in record_rows(record)
    ]
    table = pd.DataFrame(rows).astype({"terms": "Int64"})
    check_metrics(table, tmp_path / "metrics.csv")
    collapsed = collapsed_runs(table, "truncation_lr")
    assert collapsed.loc[0].to_dict() == {"cross_entropy": False, RAISED.name: True}


def test_at_the_recipes_own_rate_it_stays_an_error_that_names_the_step(data, tmp_path):
    usual = run(cross_entropy())
    with pytest.raises(DivergedError, match=r"cross_entropy/seed0: the loss is nan at step \d"):
        train_and_record(tmp_path, usual, data, HERE)
    assert finished_record(tmp_path, usual, data.citation) is None


def test_a_run_whose_weights_are_needed_has_to_have_some(data, monkeypatch):
    monkeypatch.setattr(Run, "gives_weights", True)
    with pytest.raises(DivergedError):
        train(run(), data, HERE)


class OneOfTwo(Processes):
    """A process that is well, beside one whose loss is not finite."""

    def any(self, *flags):
        return (True,) if len(flags) == 1 else (False, False, True)


def test_a_process_ends_like_the_other_one_that_has_found_the_divergence(data):
    trained = train(run(learning_rate=0.1), data, Execution(OneOfTwo(torch.device("cpu"))))
    assert trained.diverged.endswith(
        "another process found a loss that is not finite at step 1 (epoch 1)"
    )
    assert trained.history[-1]["diverged_after_step"] == 0


def test_a_broken_loss_of_a_sound_network_is_no_divergence(data, monkeypatch):
    forward = initial_state.SeriesCrossEntropyLoss.forward
    monkeypatch.setattr(
        initial_state.SeriesCrossEntropyLoss,
        "forward",
        lambda self, *arguments: forward(self, *arguments) * float("nan"),
    )
    with pytest.raises(TrainingError, match="at step 1 ") as caught:
        train(run(learning_rate=0.1), data, HERE)
    assert not isinstance(caught.value, DivergedError)


@pytest.mark.parametrize("series", [PolySeries((2.0,)), PolySeries(terms=3), HardGate(0.05)])
def test_guessing_measures_what_a_network_without_preferences_does(series):
    classes = 8
    metrics = Metrics(series, {"few": (0, 1, 2, 3, 4, 5, 6, 7)})
    sums = metrics.sums(torch.zeros(classes, classes), torch.arange(classes))
    assert guessing(series, classes, ("few",)) == pytest.approx(metrics.values(sums), abs=1e-5)
