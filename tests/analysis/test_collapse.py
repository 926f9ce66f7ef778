"""Which accuracy counts as having learnt nothing, whatever the number of classes."""

import pytest
from tidy_tables import metrics_table

from polyrepro.analysis.collapse import collapsed_runs


@pytest.mark.parametrize(
    ("classes", "collapsed", "sound"), [(2, 62, 63), (3, 50, 51), (10, 20, 21), (1000, 0.2, 0.3)]
)
def test_little_more_than_guessing_is_nothing(classes, collapsed, sound):
    table = metrics_table({"cross_entropy": [100 / classes, collapsed, sound, 99.0]})
    found = collapsed_runs(table.assign(chance=100 / classes), "epsilon_sweep")
    assert found["cross_entropy"].tolist() == [True, True, False, False]


def test_without_the_accuracy_of_guessing_no_run_counts():
    table = metrics_table({"cross_entropy": [0.0, 50.0]}).drop(columns="chance")
    assert not collapsed_runs(table, "epsilon_sweep")["cross_entropy"].any()
