"""Tables that no statistics should be made of: refused with file, row and column.

Rows are numbered as in the file: the first one after the header is row 2.
"""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from polyrepro.analysis.diverged import diverged_runs
from polyrepro.errors import PolyreproError
from polyrepro.studies import SCALES, STUDIES

NEEDED = ("study", "variant", "seed", "metric", "split", "epoch", "value")
"""Columns without which a table says nothing; records made elsewhere may lack the others."""

ELSEWHERE = "elsewhere"
"""The scale of records made elsewhere that name none."""
OVERRIDDEN = ", overridden"
"""The end of the name of a scale whose recipes were changed."""

SPLITS = ("train", "validation", "test")
KEY = ["study", "variant", "seed", "metric", "split", "epoch"]
SAME_IN_STUDY = ("recipe", "dataset", "model", "data_sha256", "chance")
SAME_IN_VARIANT = ("label", "series", "epsilon", "terms", "gamma", "learning_rate")
MOST = 10**9
"""The largest number that a seed or a number of terms can be."""


class MetricsError(PolyreproError):
    """A table of metrics, or one made of them, that cannot be used."""


def check_columns(table: pd.DataFrame, path: Path, *, may_be_empty: bool) -> None:
    """Refuse a table without the columns that are needed, or without rows unless there may be none.

    Raises:
        MetricsError: naming the column.
    """
    for column in NEEDED:
        if column not in table.columns:
            raise MetricsError(
                f"{path}, row 1: there is no column {column!r}{_instead(column, table)}; needed "
                f"are {', '.join(NEEDED)}, separated by commas"
            )
    if table.empty and not may_be_empty:
        raise MetricsError(f"{path} has no rows; collect runs first")


def _instead(column: str, table: pd.DataFrame) -> str:
    """What may stand in the place of a missing column."""
    alike = [name for name in map(str, table.columns) if name.strip().lower() == column]
    return f", but {alike[0]!r}: rename it" if alike else ""


def check_metrics(table: pd.DataFrame, path: Path) -> None:
    """Refuse a table that mixes what does not belong together.

    Args:
        table: all texts as they are in the file for `seed`, `epoch` and `value`.

    Raises:
        MetricsError: naming file, row and column, and how to mend it.
    """
    _check_names(table, path)
    _check_same(table, path, ["scale"], [], "one table holds one scale; split the table")
    for column in SAME_IN_STUDY:
        mend = "the runs of a study differ by loss and seed only; split the table, or train again"
        _check_same(table, path, [column], ["study"], mend)
    for column in SAME_IN_VARIANT:
        mend = "one name means one loss; correct the row, or give the runs another name"
        _check_same(table, path, [column], ["study", "variant"], mend)
    repeated = table[table.duplicated(KEY)]
    if len(repeated):
        row = repeated.iloc[0]
        first = table[(table[KEY] == row[KEY]).all(axis="columns")].index[0]
        raise MetricsError(
            f"{path}, row {row_number(repeated.index[0])}, columns {', '.join(KEY)}: repeats row "
            f"{row_number(first)} (seed {row['seed']} of {row['variant']} in {row['study']}, "
            f"{row['metric']}); remove the run that is there twice"
        )
    _check_epochs(table, path)


def check_header(names: Collection[str], path: Path) -> None:
    """Refuse a header without commas, or with a name twice: which column is meant nobody can tell.

    Raises:
        MetricsError: naming the column.
    """
    for sign, in_words in ((";", "semicolons"), ("\t", "tabulators")):
        if len(names) == 1 and any(sign in name for name in names):
            raise MetricsError(
                f"{path}, row 1: {in_words} separate the columns; save the table with commas "
                "between columns and points in numbers"
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise MetricsError(
            f"{path}, row 1, column {twice[0]}: the header has this name twice; remove one of the "
            "columns, or rename it"
        )


def numbers(
    table: pd.DataFrame, column: str, path: Path, *, whole: bool = False, optional: bool = False
) -> pd.Series:
    """A column as numbers.

    Args:
        whole: they are to be integers, at least 0.
        optional: a value may be empty; it is NaN then.

    Raises:
        MetricsError: naming the first row whose value is empty, no number, or not finite.
    """
    values = pd.to_numeric(table[column], errors="coerce").astype(float)
    bad = values.isna() | values.isin([np.inf, -np.inf])
    if optional:
        bad &= table[column].notna() & (table[column].astype(str) != "")
    if whole:
        bad |= values.notna() & ((values % 1 != 0) | (values < 0) | (values > MOST))
    if bad.any():
        row = first_row(bad)
        wanted = "a finite number; write it with a decimal point and without a unit"
        if whole:
            wanted = f"a whole number, at least 0 and at most {MOST:g}; correct it"
        raise MetricsError(
            f"{path}, row {row_number(row)}, column {column}: {table[column][row]!r} is not "
            f"{wanted}, or remove the row"
        )
    return values.astype("Int64" if optional else int) if whole else values


def first_row(mask: pd.Series) -> int:
    """Index of the first row for which `mask` is true."""
    return int(mask.index[mask][0])


def row_number(row: int) -> int:
    """The number of a row in the file: the first after the header is row 2."""
    return row + 2


def _check_names(table: pd.DataFrame, path: Path) -> None:
    """Studies, variants and splits must be known ones."""
    _check_known(table, path, "study", STUDIES)
    _check_known(
        table.assign(scale=table["scale"].str.removesuffix(OVERRIDDEN)),
        path,
        "scale",
        (*SCALES, ELSEWHERE),
    )
    _check_known(table, path, "split", SPLITS)
    for study, rows in table.groupby("study"):
        _check_known(rows, path, "variant", [v.name for v in STUDIES[str(study)].variants])


def _check_known(table: pd.DataFrame, path: Path, column: str, known: Iterable[str]) -> None:
    unknown = table[~table[column].isin(list(known))]
    if len(unknown):
        value = str(unknown[column].iloc[0])
        close = difflib.get_close_matches(value, list(known), n=1)
        guess = f"; did you mean {close[0]!r}?" if close else "."
        raise MetricsError(
            f"{path}, row {row_number(unknown.index[0])}, column {column}: unknown {column} "
            f"{value!r}{guess} Known are: {', '.join(known)}"
        )


def _check_same(
    table: pd.DataFrame, path: Path, columns: list[str], within: list[str], mend: str
) -> None:
    """A column must not vary within groups of rows."""
    (column,) = columns
    if column not in table.columns:
        return
    values = table[column].astype(object).where(table[column].notna(), "")
    if _all_same(pd.Series(pd.factorize(values)[0], table.index), table, within):
        return
    groups = [("", table)] if not within else table.groupby(within)
    for _, rows in groups:
        of_group = values[rows.index]
        other = of_group.index[of_group != of_group.iloc[0]]
        if len(other):
            where = " of ".join(str(rows[name].iloc[0]) for name in reversed(within))
            raise MetricsError(
                f"{path}, row {row_number(other[0])}, column {column}: "
                f"{of_group[other[0]]!r} beside {of_group.iloc[0]!r} in row "
                f"{row_number(rows.index[0])}"
                f"{f' ({where})' if where else ''}; {mend}"
            )


def _all_same(values: pd.Series, table: pd.DataFrame, within: list[str]) -> bool:
    """Whether numbers are equal within each group of rows; nearly all tables pass this way."""
    if not within:
        return bool((values == values.iloc[0]).all())
    groups = values.groupby([table[name] for name in within], sort=False)
    return bool((groups.min() == groups.max()).all())


def _check_epochs(table: pd.DataFrame, path: Path) -> None:
    """All runs of a study must have been trained equally long, unless they have diverged."""
    early = table["epoch"] < 0
    if early.any():
        row = first_row(early)
        raise MetricsError(
            f"{path}, row {row_number(row)}, column epoch: {table['epoch'][row]:g} is below 0"
        )
    runs = pd.MultiIndex.from_frame(table[["study", "variant", "seed"]])
    table = table[~runs.isin(diverged_runs(table))]
    last = table.groupby(KEY[:-1], sort=False)["epoch"].max().reset_index()
    if _all_same(last["epoch"], last, ["study", "metric", "split"]):
        return
    ends = table.loc[table.groupby(KEY[:-1])["epoch"].idxmax()].sort_values(KEY[:-1])
    for (study, metric, split), of_group in ends.groupby(["study", "metric", "split"]):
        usual = of_group["epoch"].mode().iloc[0]
        odd = of_group[of_group["epoch"] != usual]
        if len(odd):
            first = odd.iloc[0]
            raise MetricsError(
                f"{path}, row {row_number(odd.index[0])}, column epoch: seed {first['seed']} of "
                f"{first['variant']} in {study} ends at epoch {first['epoch']:g}, other runs at "
                f"{usual:g} ({metric}, {split}); train all equally long, or remove the run"
            )


def check_coefficients(table: pd.DataFrame, path: Path) -> None:
    """Refuse a table with a loss whose coefficients are no numbers with blanks between them.

    Raises:
        MetricsError: naming the first such row.
    """
    wrong = table["epsilon"].map({text: not _are_numbers(text) for text in set(table["epsilon"])})
    if wrong.any():
        row = first_row(wrong.astype(bool))
        raise MetricsError(
            f"{path}, row {row_number(row)}, column epsilon: {table['epsilon'][row]!r} are no "
            "coefficients; give numbers with blanks between them, or nothing"
        )


def _are_numbers(text: str) -> bool:
    try:
        return all(np.isfinite(float(part)) for part in text.split())
    except ValueError:
        return False
