"""Values of a table of metrics in their units: percents, probabilities, and none mixed."""

from pathlib import Path

import numpy as np
import pandas as pd

from polyrepro.analysis.metrics_checks import (
    KEY,
    OVERRIDDEN,
    MetricsError,
    first_row,
    row_number,
)
from polyrepro.variants import POLY_SERIES

PRECISION_OR_RECALL = (
    *("box_", "mask_", "ap_", "aph_", "vehicle_", "pedestrian_", "foreground_"),
    *("ap11_", "ap40_", "bev_", "car_", "cyclist_"),
)
"""How the metrics of detectors and of the segmentation begin, Waymo's and KITTI's among them."""
PRECISION = (*PRECISION_OR_RECALL, "points_kept")
PERCENT = ("top1", "ece", *PRECISION)
FRACTIONS = ("mean_pt", "leading_share")
ACCURACIES = (
    *("top1", "box_ar100", "box_ap", "mask_ar100", "mask_ap"),
    *("ap_l1", "vehicle_ap_l1", "pedestrian_ap_l1", "ap40_moderate", "foreground_ap"),
)
"""Of which a trained network has more than 1 %."""

RECALL_TOLERANCE = 1.0
"""Points by which AP, interpolated, may exceed AR."""

ROUNDING = 1e-6
"""A share that is 1 may be summed up to a little more."""

UNIT_TOLERANCE = 1.5
"""A value that times 100 comes within this factor of the other runs' is a fraction."""


def check_units(table: pd.DataFrame, path: Path) -> None:
    """Refuse values outside their unit: percents in 0..100, probabilities in 0..1, none mixed.

    Raises:
        MetricsError: naming file, row and column, and how to mend it.
    """
    _check_chance(table, path)
    percent, fraction = begins(table, *PERCENT), begins(table, *FRACTIONS)
    # Where a term of the series counts against the first one, its share may lie outside.
    of_family = table["series"].isin(["", POLY_SERIES]) if "series" in table else True
    fraction &= ~begins(table, "leading_share") | of_family
    highest = np.select([percent, fraction], [100.0, 1.0], np.inf)
    outside = (percent | fraction) & ((table["value"] < 0) | (table["value"] > highest + ROUNDING))
    outside &= ~_says_nothing(table)
    if outside.any():
        row = first_row(outside)
        raise MetricsError(
            f"{path}, row {row_number(row)}, column value: {table['metric'][row]} is "
            f"{table['value'][row]:g}, outside 0 to {highest[table.index.get_loc(row)]:g}; "
            "accuracies, AP, AR and calibration errors are in percent, P_t and shares in 0..1"
        )
    _check_below_recall(table, path)
    last = table["epoch"] == table.groupby(KEY[:-1])["epoch"].transform("max")
    # A calibration error of nearly zero is usual, above all of runs that have collapsed.
    accuracy = percent & ~begins(table, "ece")
    for (_, metric, _), rows in table[accuracy & last].groupby(["study", "metric", "split"]):
        _check_no_fraction(rows, table, path)
        if metric in ACCURACIES:
            _check_not_all_fractions(rows, table, path)


def _says_nothing(table: pd.DataFrame) -> pd.Series:
    """Rows of detectors of which nothing can be said, without objects of a size: -1 in all runs."""
    nothing = begins(table, *PRECISION) & (table["value"] == -1)
    groups = table[nothing.groupby(table["metric"]).transform("any")]
    measured = groups.groupby(["study", "metric", "split"])["value"].transform("max") > -1
    return nothing & ~measured.reindex(table.index, fill_value=False)


def _check_below_recall(table: pd.DataFrame, path: Path) -> None:
    """Average precision cannot be above the recall that it averages up to."""
    for kind in ("box", "mask"):
        both = table[table["metric"].isin([f"{kind}_ap", f"{kind}_ar100"])]
        if both["metric"].nunique() < 2:
            continue
        place = [name for name in KEY if name != "metric"]
        pairs = both.pivot(index=place, columns="metric", values="value")
        above = pairs[f"{kind}_ap"] > pairs[f"{kind}_ar100"] + RECALL_TOLERANCE
        if above.any():
            at = pd.MultiIndex.from_frame(both[place]).isin(pairs.index[above])
            row = both.index[at & (both["metric"] == f"{kind}_ap")][0]
            raise MetricsError(
                f"{path}, row {row_number(row)}, column value: {kind}_ap is "
                f"{table['value'][row]:g}, above the {kind}_ar100 of the same run, which cannot "
                "be; exchange the two metrics if their names were"
            )


def begins(table: pd.DataFrame, *beginnings: str) -> pd.Series:
    """Whether the metric of each row begins so; each metric is looked at once."""
    names = table["metric"].unique()
    return table["metric"].map({name: str(name).startswith(beginnings) for name in names})


def _check_no_fraction(rows: pd.DataFrame, table: pd.DataFrame, path: Path) -> None:
    if (rows["value"] > 1).all():
        return
    usual = rows.loc[rows["value"] > 1, "value"].median()  # NaN where all are at most 1
    chance = rows["chance"].fillna(0) if "chance" in rows else 0
    # A loss may learn next to nothing, as a truncation to ten terms does with a thousand classes.
    possible = (chance > 0) & (rows["value"] > chance / 2)
    beside_percents = rows.groupby("variant")["value"].transform("max") > 10 * rows["value"]
    collapsed = possible & ((rows["value"] < 2 * chance) | ~beside_percents)
    times_100 = 100 * rows["value"] / usual
    alike = (times_100 > 1 / UNIT_TOLERANCE) & (times_100 < UNIT_TOLERANCE)
    mixed = (rows["value"] <= 1) & alike & ~collapsed
    if mixed.any():
        mixed[mixed] = ~_has_learnt_little(rows[mixed], table)
    if mixed.any():
        row = first_row(mixed)
        raise MetricsError(
            f"{path}, row {row_number(row)}, column value: {rows['metric'][row]} is "
            f"{rows['value'][row]:g} where other runs have about {usual:.3g}: a fraction among "
            "percents; multiply it by 100"
        )


def _has_learnt_little(rows: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """Whether the run's mean P_t at that time, if the table has it, is as low as its accuracy.

    A run whose learning rate is too high may recover late, and end at half a percent.
    """
    place = [name for name in KEY if name != "metric"]
    probability = table[table["metric"] == "mean_pt"].set_index(place)["value"]
    found = probability.reindex(pd.MultiIndex.from_frame(rows[place])).to_numpy()
    return pd.Series(100 * found < 2 * rows["value"].to_numpy(), index=rows.index)


def _check_not_all_fractions(rows: pd.DataFrame, table: pd.DataFrame, path: Path) -> None:
    """Refuse an accuracy, AP or AR that no run of a study has above 1.

    Runs that have learnt next to nothing may be there: those whose accuracy is that of guessing or
    whose mean P_t is as low, and all of a trial with fewer epochs or images. Zero has no unit.
    """
    highest = rows["value"].max()
    trial = rows["scale"].iloc[0].endswith(OVERRIDDEN)
    if trial or not 0 < highest <= 1:
        return
    chance = rows["chance"].fillna(0)
    guessing = (rows["value"] > chance / 2) & (rows["value"] < 2 * chance)
    suspect = ~(guessing | _has_learnt_little(rows, table))
    if suspect.any():
        row = first_row(suspect)
        raise MetricsError(
            f"{path}, row {row_number(row)}, column value: {rows['metric'][row]} of "
            f"{rows['study'][row]} is {rows['value'][row]:g} and never above 1: fractions; "
            "multiply by 100, published gains and margins are in points"
        )


def _check_chance(table: pd.DataFrame, path: Path) -> None:
    """The accuracy of guessing, by which collapsed runs are known."""
    outside = (table["chance"] < 0) | (table["chance"] > 50)
    if outside.any():
        row = first_row(outside)
        raise MetricsError(
            f"{path}, row {row_number(row)}, column chance: {table['chance'][row]:g} is no "
            "accuracy of guessing, which is 100 divided by the number of classes "
            "(0 for a detector)"
        )
