"""Choosing on validation images and on seeds that test nothing."""

import pandas as pd
import pytest
from tidy_tables import metrics_table

from polyrepro.analysis.selection import choosing_seeds, fresh_seeds, select, winners
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import Variant


def study_with(*selections, selection_seeds=None):
    """A study with the variants a, b and c beside the reference, and these selections."""
    named = [Variant(name=name) for name in ("cross_entropy", "a", "b", "c")]
    empty = {"title": "", "question": "", "recipes": {}}
    return Study(
        name="epsilon_sweep",
        variants=tuple(named),
        selections=selections,
        selection_seeds=selection_seeds,
        **empty,
    )


ALL = Selection(name="s", candidates=("a", "b", "c"))


@pytest.mark.parametrize(
    ("seeds", "stated", "choose", "test"),
    [
        (range(5), None, [0, 1], [2, 3, 4]),
        (range(10), None, [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]),
        (range(5), 3, [0, 1, 2], [3, 4]),
        ([7, 3, 9], None, [3], [7, 9]),
        ([0], None, [0], []),
        ([0, 1], 2, [0, 1], []),
    ],
)
def test_no_seed_chooses_and_tests(seeds, stated, choose, test):
    study = study_with(ALL, selection_seeds=stated)
    assert choosing_seeds(study, seeds) == choose and fresh_seeds(study, seeds) == test


def test_selection_looks_at_validation_only_and_ties_keep_the_order_of_the_grid():
    validation = metrics_table(
        {"a": [1.0, 1.0], "b": [3.0, 1.0], "c": [2.0, 2.0]}, split="validation"
    )
    test = metrics_table({"a": [9.0, 9.0], "b": [0.0, 0.0], "c": [0.0, 0.0]})
    study = study_with(ALL, selection_seeds=2)
    scores = select(pd.concat([validation, test]), study, ALL)
    assert scores.index.tolist() == ["b", "c", "a"] and scores["b"] == 2.0


def test_only_the_choosing_seeds_count():
    validation = metrics_table({"a": [1.0, 1.0, 9.0], "b": [2.0, 0.0, 0.0]}, split="validation")
    assert select(validation, study_with(ALL), ALL).index[0] == "b"


def test_a_seed_that_a_candidate_lacks_compares_nothing():
    table = metrics_table({"a": [5.0, 1.0], "b": [2.0, 2.0]}, split="validation")
    table = table[(table["variant"] != "b") | (table["seed"] != 0)]
    study = study_with(ALL, selection_seeds=2)
    assert select(table, study, ALL).index[0] == "b"
    assert winners(table, study_with(ALL, selection_seeds=1)) == {}


def test_the_winner_of_the_previous_selection_stays_a_candidate():
    first = Selection(name="first", candidates=("a",))
    second = Selection(name="second", candidates=("b",), previous="first")
    table = metrics_table({"a": [2.0], "b": [1.0]}, split="validation")
    assert winners(table, study_with(first, second)) == {"first": "a", "second": "a"}
