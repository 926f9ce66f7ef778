"""The computed sentences, on tables small enough to check by eye."""

import math

import pandas as pd
import pytest

from polyrepro.report.findings import FINDINGS

NO_METRICS = pd.DataFrame()
ENDS = ("difference_low", "difference_high")


def top1_rows(columns, *rows):
    """Rows of `statistics.csv` for test top-1, with the given columns."""
    table = pd.DataFrame([dict(zip(columns, row, strict=True)) for row in rows])
    return table.assign(metric="top1", split="test")


def truncation_rows(*rows):
    columns = ("terms", "mean", "difference", "difference_high")
    return top1_rows(columns, (math.nan, 87.0, 0.0, 0.0), *rows)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [(1, 77.0, -10.0, -8.0), (5, 86.0, -1.0, -0.5), (20, 86.9, -0.1, 0.3)],
            "The largest N whose interval lies wholly below cross-entropy is 5; from N = 20 on",
        ),
        ([(1, 77.0, -10.0, -8.0)], "is 1, the largest tried: the series has not met"),
        ([(1, 87.1, 0.1, 0.5)], "At no number of terms does the interval exclude"),
        ([(1, 80.0, -7.0, math.nan)], "A single seed gives no intervals."),
    ],
)
def test_truncation(rows, words):
    text = FINDINGS["truncation"](truncation_rows(*rows), NO_METRICS)
    assert words in text
    assert f"{rows[0][1]:.1f} % with N = 1" in text


def test_truncation_against_learning_rate():
    columns = ("terms", "mean", "difference")
    rows = top1_rows(columns, (1, 70.0, -15), (1, 74.5, -10.5), (5, 85.0, 0), (5, 85.2, 0.2))
    assert FINDINGS["truncation_lr"](rows, NO_METRICS) == (
        "From the worst to the best learning rate the accuracy rises by 4.5 points with N = 1, "
        "the best one 10.5 points below cross-entropy; by 0.2 points with N = 5, the best one 0.2 "
        "points above cross-entropy."
    )


def test_poly_n_names_the_chosen_coefficients():
    rows = top1_rows(
        ("variant", "epsilon", "mean", "selected", "difference", *ENDS),
        ("a", "2", 86.0, "best_poly_n1 best_poly_n2", 0.5, -0.1, 1.1),
        ("b", "2 0 -0.5", 86.5, "best_poly_n3", 1.0, 0.2, 1.8),
        ("c", "4", 85.0, "", -0.5, -1.0, 0.0),
    )
    text = FINDINGS["poly_n"](rows, NO_METRICS)
    assert text == (
        "The search chose (2) for N = 1 and 2, with the further coefficients at zero: 86.00 %, "
        "+0.50 points from cross-entropy (−0.10 to +1.10), from which it cannot be told apart; "
        "(2, 0, −0.5) for N = 3: 86.50 %, +1.00 points from cross-entropy (+0.20 to +1.80)."
    )


def test_detection_gives_recall_precision_and_confidence():
    columns = ("metric", "split", "mean", "difference", "difference_low", "difference_high")
    rows = [
        ("box_ar100", "test", 38.0, 1.25, 0.5, 2.0),
        ("box_ap", "test", 19.0, -0.25, -1.0, 0.5),
        ("mean_pt_foreground", "train", 0.3, -0.015, -0.02, -0.01),
        ("mean_pt_background", "train", 0.692, -0.121, math.nan, math.nan),
    ]
    table = pd.DataFrame(rows, columns=columns)
    for study, variant in (
        ("mask_rcnn_epsilon", "poly1_e-1"),
        ("retinanet_epsilon", "poly1_e-1_g2"),
    ):
        text = FINDINGS[study](table.assign(variant=variant), NO_METRICS)
        # Data without masks: no word about them.
        assert text == (
            "With ε₁ = −1 the changes in points are +1.2 in box AR (+0.5 to +2.0), −0.2 in box AP "
            "(−1.0 to +0.5). The mean P_t of the last epoch goes from 0.315 to 0.300 on foreground "
            "and from 0.813 to 0.692 on background."
        )
