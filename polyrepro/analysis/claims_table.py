"""Reading `claims.csv`: of a report, or of another one that is shown beside it."""

from pathlib import Path

import numpy as np
import pandas as pd

from polyrepro.analysis.contrasts import contrasts_at, expected
from polyrepro.analysis.metrics_checks import MetricsError, row_number
from polyrepro.analysis.not_run import NUMBERS as MEASURED
from polyrepro.analysis.outcomes import OUTCOMES
from polyrepro.analysis.published import STATUSES
from polyrepro.analysis.supported import (
    refuse_half_intervals,
    refuse_other_middle,
    refuse_unsupported,
)
from polyrepro.analysis.tables import (
    read_table,
    refuse,
    refuse_impossible,
    refuse_other_than,
    refuse_outside,
    remake,
)
from polyrepro.studies import STUDIES
from polyrepro.studies.claim import Claim, Contrast

TEXTS = (
    *("study", "scale", "claim", "statement", "quantity", "contrast", "expected"),
    *("contrast_outcome", "outcome", "verdict", "note", "command", "price"),
    *("published", "published_status", "published_source"),
)
NUMBERS = (*MEASURED, "published_gain")
COUNTS = ("n", "planned", "collapsed")
IMAGES = ("images_low", "images_high")
INTERVALS = (("low", "high"), ("decisive_low", "decisive_high"), IMAGES)
"""Ends of the intervals around `measured`."""


def read_claims(path: Path) -> pd.DataFrame:
    """`claims.csv` with empty texts as texts, and a column `number`: C1, C2, ... in its order.

    Raises:
        MetricsError: naming file, row and column, if the table was damaged or does not fit the
            claims of this version.
    """
    table = read_table(path, TEXTS, NUMBERS, COUNTS)
    for column in ("contrast_outcome", "outcome"):
        refuse_other_than(table, column, OUTCOMES, path)
    refuse_other_than(table, "published_status", ("", *STATUSES), path)
    refuse_impossible(table, ("p_value", "p_holm"), path)
    for column in (name for name in MEASURED if name.startswith("seeds_for_")):
        refuse(table[column] < 2, table[column], path, "seeds are too few for an interval")
    judged = table[table["contrast"] != ""]
    first = judged["scale"].iloc[0] if len(judged) else ""
    refuse(
        judged["scale"] != first,
        judged["scale"],
        path,
        f"beside {first!r}: one report judges the claims of one scale",
    )
    for ends in INTERVALS:
        refuse_half_intervals(judged, ends, path)
    for ends in INTERVALS[:2]:
        refuse_outside(judged, "measured", ends, path)
    refuse_other_middle(judged, path)
    refuse(
        (judged["n"] > 0) != np.isfinite(judged["measured"]),
        judged["measured"],
        path,
        "does not go with the number of seeds in the column n",
    )
    claims = {(study.name, claim.name) for study in STUDIES.values() for claim in study.claims}
    pairs = zip(judged["study"], judged["claim"], strict=True)
    unknown = pd.Series([pair not in claims for pair in pairs], judged.index, dtype=bool)
    refuse(unknown, judged["claim"], path, "is no claim of the study in this version")
    for _, rows in judged.groupby(["study", "claim"], sort=False):
        _check_claim(rows, path)
        _check_contrasts(rows, path)
        refuse_unsupported(rows, contrasts_of(rows), path)
    keys = list(dict.fromkeys(zip(table["claim"], table["scale"], strict=True)))
    numbers = {key: f"C{position}" for position, key in enumerate(keys, start=1)}
    table["number"] = [numbers[key] for key in zip(table["claim"], table["scale"], strict=True)]
    return table


def claim_of(row: pd.Series) -> Claim:
    """The claim that a row of a judged claim is about."""
    (claim,) = [claim for claim in STUDIES[row["study"]].claims if claim.name == row["claim"]]
    return claim


def contrasts_of(rows: pd.DataFrame) -> tuple[Contrast, ...]:
    """The contrasts that the rows of a judged claim are about, one for each row."""
    first = rows.iloc[0]
    return contrasts_at(STUDIES[first["study"]], claim_of(first), first["scale"])


def _check_claim(rows: pd.DataFrame, path: Path) -> None:
    first, expected = rows.iloc[0], len(contrasts_of(rows))
    if len(rows) != expected:
        raise MetricsError(
            f"{path}, row {row_number(rows.index[0])}, column contrast: the claim "
            f"{first['claim']!r} has {len(rows)} rows where the study compares {expected} times; "
            f"the table is of another version; {remake(path)}"
        )
    refuse(
        rows["outcome"] != first["outcome"],
        rows["outcome"],
        path,
        f"beside {first['outcome']!r} of the same claim",
    )


def _check_contrasts(rows: pd.DataFrame, path: Path) -> None:
    """Each row must be about the metric, the margin and the seeds that the study states."""
    contrasts = contrasts_of(rows)
    beginnings = [f"{contrast.metric} ({contrast.split}): " for contrast in contrasts]
    begins = [text.startswith(b) for text, b in zip(rows["contrast"], beginnings, strict=True)]
    refuse(~pd.Series(begins, rows.index), rows["contrast"], path, "is not what the study compares")
    margins = np.array([np.nan if c.margin is None else c.margin for c in contrasts])
    other = ~pd.Series(np.isclose(rows["margin"], margins, equal_nan=True), rows.index)
    refuse(other, rows["margin"], path, "is not the study's margin")
    claim = claim_of(rows.iloc[0])
    for column, words in (("statement", claim.statement), ("quantity", claim.quantity)):
        refuse(rows[column] != words, rows[column], path, f"is not the study's, {words!r}")
    stated = [expected(contrast) for contrast in contrasts]
    other = pd.Series([a != b for a, b in zip(rows["expected"], stated, strict=True)], rows.index)
    refuse(other, rows["expected"], path, "is not what the study expects")
    planned = rows["planned"] != claim.seeds
    refuse(planned, rows["planned"], path, "is not the number of seeds that the study plans")
