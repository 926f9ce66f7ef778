"""What the tables make of runs that have diverged: collapsed ones that are named."""

import pandas as pd
import pytest
from tidy_tables import full_table, metrics_table

from polyrepro.analysis.claims import evaluate_claims
from polyrepro.analysis.diverged import diverged_runs
from polyrepro.analysis.metrics_checks import MetricsError, check_metrics
from polyrepro.analysis.statistics import summarise
from polyrepro.runs import DIVERGED

LOST = ("truncation", "truncated_n1", 3)


@pytest.fixture
def table():
    """Ten seeds; one run of the first term has diverged, one has learnt nothing."""
    table = full_table("truncation", {"truncated_n1": -5.0, "truncated_n2": -5.0})
    first = (table["variant"] == "truncated_n1") & (table["epoch"] == 2)
    table.loc[first & table["seed"].isin([3, 4]), "value"] = 10.0
    row = table[first & (table["seed"] == 3) & (table["metric"] == "top1")].tail(1)
    return pd.concat([table, row.assign(metric=DIVERGED, value=17.0)], ignore_index=True)


def test_the_run_is_found(table):
    assert list(diverged_runs(table)) == [LOST]


def test_claims_count_it_and_name_it(table):
    claims = evaluate_claims(table)
    rows = claims[(claims["claim"] == "few_terms_lose") & (claims["n"] > 0)]
    assert rows["collapsed"].tolist() == [2, 0]
    note = "2 of 10 runs of truncated_n1 collapsed, 1 of them diverged"
    assert [note in text for text in rows["note"]] == [True, False]


def test_statistics_count_it_and_say_when(table):
    statistics = summarise(table).query("variant == 'truncated_n1' and split == 'test'")
    statistics = statistics.set_index("metric")
    assert statistics.loc["top1", "collapsed"] == 2
    assert statistics.loc[DIVERGED, ["n", "mean"]].tolist() == [1, 17.0]


def test_it_may_end_earlier_and_no_other_run_may(table, tmp_path):
    early = metrics_table({"truncated_n1": [60.0] * 4}, "truncation", "seconds", "train", (1,))
    early = early[early["seed"] == 3]
    others = metrics_table({"cross_entropy": [60.0] * 4}, "truncation", "seconds", "train")
    table = pd.concat([table, early, others], ignore_index=True).astype({"terms": "Int64"})
    check_metrics(table, tmp_path)
    with pytest.raises(MetricsError, match="seed 3 of truncated_n1 in truncation ends at epoch 1"):
        check_metrics(table[table["metric"] != DIVERGED], tmp_path)
