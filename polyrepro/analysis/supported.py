"""Outcomes in a table of claims that its own numbers contradict.

Where the records are, a table is compared with what they give (see `recomputed`). A table that is
shown beside a report has none: its outcomes must at least follow from its intervals.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from polyrepro.analysis.outcomes import EQUIVALENT
from polyrepro.analysis.published import PAPER_SCALE
from polyrepro.analysis.tables import refuse
from polyrepro.studies.claim import Contrast

ROUNDING = 1e-9
IMAGES_TOLERANCE = 0.01
"""Points: AP that is computed again from matches may order equal scores otherwise."""

DEFINITE = ("reproduced", "direction only", "not reproduced")


def refuse_unsupported(rows: pd.DataFrame, contrasts: Sequence[Contrast], path: Path) -> None:
    """Refuse a claim with an outcome that its intervals do not allow.

    Args:
        rows: of one claim, in the order of its contrasts.

    Raises:
        MetricsError: naming file, row and column.
    """
    of_rows = zip(rows.to_dict("records"), contrasts, strict=True)
    allowed = [row["contrast_outcome"] in _possible(row, contrast) for row, contrast in of_rows]
    refuse(
        ~pd.Series(allowed, rows.index),
        rows["contrast_outcome"],
        path,
        "does not follow from the interval in the columns decisive_low and decisive_high",
    )
    # A direction that is confirmed holds for all contrasts; of a single one the outcome is its own.
    definite = rows["outcome"].isin(DEFINITE[:2] if len(rows) > 1 else DEFINITE)
    refuse(
        definite & (rows["outcome"] != rows["contrast_outcome"]),
        rows["outcome"],
        path,
        "is not the outcome in the column contrast_outcome",
    )


def refuse_half_intervals(table: pd.DataFrame, ends: tuple[str, str], path: Path) -> None:
    """Refuse an interval with one end.

    Raises:
        MetricsError: naming file, row and column.
    """
    for end, other in (ends, ends[::-1]):
        half = table[end].isna() & table[other].notna()
        refuse(half, table[end], path, f"where the column {other} has the other end")


def refuse_other_middle(judged: pd.DataFrame, path: Path) -> None:
    """Refuse an interval over images whose middle is not what was measured.

    Only collapsed runs move the middle: they are trimmed away from what was measured.

    Raises:
        MetricsError: naming file, row and column.
    """
    middle = (judged["images_low"] + judged["images_high"]) / 2
    moved = (middle - judged["measured"]).abs() > IMAGES_TOLERANCE
    refuse(
        moved & (judged["collapsed"] == 0),
        judged["images_low"],
        path,
        "and images_high do not lie around the value in the column measured alike",
    )


def _possible(row: dict, contrast: Contrast) -> set[str]:
    """The outcomes that the numbers of a row allow."""
    low, high = row["decisive_low"] + ROUNDING, row["decisive_high"] - ROUNDING
    within_low, within_high = contrast.edges
    inside = within_low <= low and high <= within_high
    above = low >= contrast.threshold, high <= contrast.threshold
    holds, fails = above if contrast.sign > 0 else above[::-1]
    if contrast.kind == "equivalence":
        holds, fails = False, low >= within_high or high <= within_low
    elif contrast.kind == "at_most":
        holds, fails = high <= within_high, low >= within_high
    gain, verified = row["published_gain"], row["published_status"] == "verified"
    smaller = low >= gain if contrast.sign < 0 else high <= gain
    agrees = row["low"] <= gain <= row["high"] and row["scale"] == PAPER_SCALE
    possible = {
        "reproduced": holds and verified and agrees,
        "direction only": holds,
        EQUIVALENT: inside and contrast.kind != "at_most",
        "published gain excluded": verified and smaller,
        "not reproduced": fails,
        "not run": row["n"] == 0 or not np.isfinite(row["decisive_low"]),
        "inconclusive": True,
    }
    return {outcome for outcome, allowed in possible.items() if allowed}
