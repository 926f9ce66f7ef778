"""Steps until training images are classified so well: from the history of a record."""

import pytest

from polyrepro.analysis.steps_to_accuracy import steps_to_accuracy


def record(rows, batch_size=100, epochs=2, **more):
    """Two thousand images, twenty steps an epoch; `rows` are pairs of epoch and accuracy."""
    history = [{"epoch": epoch, "split": "train", "top1": value} for epoch, value in rows]
    for row in history:
        if float(row["epoch"]).is_integer():
            row |= {"seconds": 4.0, "images_per_second": 500.0}
    history.append({"epoch": epochs, "split": "test", "top1": 99.0})
    return {"recipe": {"batch_size": batch_size, "epochs": epochs}, "history": history} | more


def test_the_crossing_lies_on_the_line_between_the_middles_of_two_parts():
    # Parts [0, 0.5], [0.5, 1], [1, 1.5], [1.5, 2] with 10, 20, 40 and 60 %.
    rows = [(0.5, 10), (1, 15), (1.5, 40), (2, 50)]
    assert steps_to_accuracy(record(rows)) == pytest.approx(
        {"steps_to_25": 20 * (0.75 + 0.5 * 5 / 20), "steps_to_50": 20 * (1.25 + 0.5 * 10 / 20)}
    )


def test_a_level_in_the_first_part_counts_from_no_accuracy_at_the_start():
    steps = steps_to_accuracy(record([(0.2, 50), (0.4, 60), (1, 60), (2, 60)]))
    assert steps == pytest.approx({"steps_to_25": 20 * 0.05, "steps_to_50": 20 * 0.1})


def test_an_epoch_without_parts_is_its_own_part():
    assert steps_to_accuracy(record([(1, 30), (2, 60)]))["steps_to_50"] == pytest.approx(
        20 * (0.5 + 20 / 30)
    )


def test_a_run_that_never_gets_there_counts_with_all_its_steps():
    assert steps_to_accuracy(record([(1, 20), (2, 30)])) == pytest.approx(
        {"steps_to_25": 20.0, "steps_to_50": 40.0}
    )


def test_the_guess_of_a_diverged_run_is_no_accuracy_on_the_way():
    rows = [(1, 30), (1.5, 45), (2, 100)]
    steps = steps_to_accuracy(record(rows, diverged="the loss is nan at step 33"))
    assert steps["steps_to_50"] == 40.0


def test_records_without_accuracies_of_training_or_a_whole_epoch_have_none():
    assert steps_to_accuracy(record([])) == steps_to_accuracy(record([(0.5, 30)])) == {}
