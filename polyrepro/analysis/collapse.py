"""Runs that have learnt nothing, recognised by their accuracy alone."""

import pandas as pd

from polyrepro.analysis.metrics_table import final_values

CHANCE_FACTOR = 2.0
"""A classifier has collapsed if its test accuracy is at most this many times that of guessing, or,
with two or three classes, lies in the first quarter of the way from guessing to perfect.

A trained network of any study here is far above it, one that is stuck or has diverged (whose record
holds the accuracy of guessing) is below.
"""

LOWEST_RECALL = 1.0
"""A detector has collapsed if its box AR is at most this (points): guessing finds nothing."""

ACCURACIES = ("top1", "box_ar100")


def collapsed_runs(metrics: pd.DataFrame, study: str) -> pd.DataFrame:
    """Which runs of a study have collapsed: True or False per seed (rows) and variant (columns).

    Where the table does not say how accurate guessing is (records made elsewhere without the column
    `chance`), no run of a classifier counts as collapsed.
    """
    rows = metrics[metrics["study"] == study]
    chance = rows["chance"].max() if "chance" in rows else float("nan")
    for metric in ACCURACIES:
        values = final_values(metrics, study, metric, "test")
        if values.size:
            little = min(CHANCE_FACTOR * chance, chance + (100 - chance) / 4)
            bound = little if metric == "top1" else LOWEST_RECALL
            return values <= bound
    return values.astype(bool)
