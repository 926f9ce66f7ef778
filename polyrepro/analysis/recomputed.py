"""Tables compared with what they were made from: a cell that was changed since is named.

Damage that leaves a table plausible (validation and test exchanged, the values of one loss under
the name of another) can be found in no other way.
"""

import io
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from polyrepro.analysis.metrics_checks import MetricsError, row_number
from polyrepro.analysis.tables import read_cells, remake

ROUNDING = 1e-6
"""Relative: another machine or version of a library may give other last digits."""


def refuse_other_cells(
    path: Path, made: pd.DataFrame, made_from: str, without: Collection[str] = ()
) -> None:
    """Refuse a table that is not what its sources give.

    Args:
        made: the table as it follows from its sources.
        made_from: their name, for the message.
        without: columns that are not compared.

    Raises:
        MetricsError: naming file, row and column, and both values.
    """
    text = made.to_csv(index=False)
    if path.read_text(encoding="utf-8") == text:
        return
    expected = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    found, mend = read_cells(path, str), remake(path)
    if list(found.columns) != list(expected.columns):
        other = set(found.columns) ^ set(expected.columns)
        raise MetricsError(
            f"{path}, row 1: the columns are not those of this version "
            f"({', '.join(sorted(other)) or 'another order'}); {mend}"
        )
    lines = found.index[: len(expected)]
    both = found.reset_index(drop=True), expected
    for column in expected.columns.difference(list(without), sort=False):
        values, right = (table[column][: len(lines)].to_numpy(dtype=str) for table in both)
        for row in np.flatnonzero(values != right).tolist():
            cell, wanted = str(values[row]), str(right[row])
            if not _same_number(cell, wanted):
                raise MetricsError(
                    f"{path}, row {row_number(lines[row])}, column {column}: {cell!r}, not "
                    f"{wanted!r} as {made_from} say; {mend}"
                )
    if len(found) != len(expected):
        raise MetricsError(
            f"{path}, row {len(lines) + 2}: the table has {len(found)} rows, not "
            f"{len(expected)} as {made_from} say; {mend}"
        )


def _same_number(one: str, other: str) -> bool:
    try:
        return bool(np.isclose(float(one), float(other), rtol=ROUNDING, atol=ROUNDING**2))
    except ValueError:
        return False
