"""Runs whose network has left the range of numbers; they count among the collapsed ones."""

import pandas as pd

from polyrepro.runs import DIVERGED


def diverged_runs(metrics: pd.DataFrame) -> pd.MultiIndex:
    """Which runs of a table have diverged, as (study, variant, seed)."""
    rows = metrics[metrics["metric"] == DIVERGED]
    return pd.MultiIndex.from_frame(rows[["study", "variant", "seed"]])
