"""The table of statistics against values worked out by hand."""

import math

import pandas as pd
import pytest
from tidy_tables import full_table, metrics_table

from polyrepro.analysis.statistics import estimate, summarise


def test_t_interval_by_hand():
    result = estimate([1.0, 2.0, 3.0])
    # t quantile 4.302653 for two degrees of freedom, standard deviation 1.
    half = 4.302653 / math.sqrt(3)
    assert (result.n, result.mean, result.sd) == (3, 2.0, 1.0)
    assert (result.low, result.high) == pytest.approx((2 - half, 2 + half), rel=1e-6)


def test_one_seed_has_a_mean_and_no_interval():
    result = estimate([5.0])
    assert result.mean == 5.0 and math.isnan(result.low) and math.isnan(result.sd)


def truncation_row(table, variant="truncated_n5", metric="top1"):
    rows = summarise(table)
    chosen = (rows["variant"] == variant) & (rows["metric"] == metric) & (rows["split"] == "test")
    return rows[chosen].iloc[0]


def test_differences_are_paired_by_seed():
    """Seeds differ by ten points, the variants by about one: pairing removes the seeds."""
    table = metrics_table(
        {"cross_entropy": [60.0, 70.0, 80.0], "truncated_n5": [61.5, 71.0, 80.5]}, "truncation"
    )
    row = truncation_row(table)
    assert row["difference"] == pytest.approx(1.0)
    half = 4.302653 * 0.5 / math.sqrt(3)
    assert row["difference_low"] == pytest.approx(1 - half, rel=1e-6)
    assert row["p_value"] == pytest.approx(0.0741799, rel=1e-4)
    assert row["high"] - row["low"] > 20


def test_simultaneous_intervals_and_holm_are_over_the_variants_of_a_sweep():
    """Three variants beside the reference: t at 1 - 0.05 / 3, and p values by Holm."""
    values = {
        "cross_entropy": [60.0, 70.0, 80.0],
        "truncated_n1": [61.5, 71.0, 80.5],
        "truncated_n2": [50.0, 61.0, 70.5],
        "truncated_n5": [60.5, 70.2, 79.0],
    }
    rows = summarise(metrics_table(values, "truncation")).set_index("variant")
    row = rows.loc["truncated_n1"]
    # t quantile 7.648867 for two degrees of freedom and 1 - 0.05 / 6.
    half = 7.648867 * 0.5 / math.sqrt(3)
    assert row["simultaneous_high"] == pytest.approx(1 + half, rel=1e-5)
    p = rows["p_value"].drop("cross_entropy").sort_values()
    assert rows["p_holm"][p.index[0]] == pytest.approx(3 * p.iloc[0])
    assert rows["p_holm"][p.index[1]] == pytest.approx(2 * p.iloc[1])


def test_collapsed_runs_are_counted_and_trimmed_from_differences_but_stay_in_the_mean():
    values = {"cross_entropy": [80.0] * 6, "truncated_n5": [81.0, 81.2, 80.9, 81.1, 81.3, 10.0]}
    row = truncation_row(metrics_table(values, "truncation"))
    assert row["collapsed"] == 1 and row["mean"] == pytest.approx(69.25)
    assert row["difference"] == pytest.approx((81.0 + 81.2 + 80.9 + 81.1) / 4 - 80)


def test_the_selected_variant_is_marked():
    table = summarise(full_table("epsilon_sweep", {"poly1_e+3": 2.0}))
    assert set(table.loc[table["selected"] == "best_poly1", "variant"]) == {"poly1_e+3"}


def test_a_table_without_the_reference_has_no_differences():
    row = truncation_row(metrics_table({"truncated_n5": [1.0, 2.0]}, "truncation"))
    assert row["mean"] == 1.5 and pd.isna(row["difference"]) and pd.isna(row["p_holm"])
