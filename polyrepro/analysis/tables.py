"""Reading a table that this package has written, checked for damage since."""

import re
import shlex
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from polyrepro.analysis.metrics_checks import MetricsError, check_header, row_number


def remake(path: Path) -> str:
    """How to mend a table of a results folder, as the end of a message: with the command."""
    metrics, settings = path.with_name("metrics.csv"), path.with_name("settings.json")
    if path == metrics:
        source, command = "the records", f"collect --configfile {shlex.quote(str(settings))}"
    elif metrics.exists():
        source, command = "metrics.csv", f"{path.stem} {shlex.quote(str(metrics))}"
    else:
        return f"restore the table: git checkout -- {shlex.quote(str(path))}"
    output = f"--output {shlex.quote(str(path))}"
    return f"make the table again from {source}: polyrepro {command} {output}"


def read_table(
    path: Path,
    texts: Collection[str],
    numbers: Collection[str],
    counts: Collection[str],
    *,
    may_be_empty: bool = False,
) -> pd.DataFrame:
    """A table with these columns, each of its type; others are read as texts.

    Args:
        numbers: columns in which a value may be missing (empty, NaN) or infinite.
        counts: columns of whole numbers, at least 0.
        may_be_empty: there may be no rows, because no run has finished.

    Raises:
        MetricsError: naming file, row and column, and how to mend it.
    """
    if not path.exists():
        raise MetricsError(f"{path} does not exist; a finished report leaves it in its folder")
    table = read_cells(path, str)
    for column in (*texts, *numbers, *counts):
        if column not in table:
            raise MetricsError(
                f"{path}, row 1: there is no column {column!r}; another version has written the "
                f"table; {remake(path)}"
            )
    if table.empty and not may_be_empty:
        raise MetricsError(f"{path} has no rows; {remake(path)}")
    for column in numbers:
        table[column] = _numbers(table[column], path)
    for column in counts:
        values = _numbers(table[column], path)
        refuse(
            ~(np.isfinite(values) & (values % 1 == 0) & (values >= 0)),
            table[column],
            path,
            "is no whole number of at least 0",
        )
        table[column] = values.astype(int)
    return table


def read_cells(path: Path, types: type | dict[str, type]) -> pd.DataFrame:
    """The cells of a table as they are in the file; the index counts its lines from the header on.

    Args:
        types: of the columns, as pandas takes them.

    Raises:
        MetricsError: if it is no table, a line has too many values, or the header a name twice.
    """
    read: dict[str, Any] = {
        "encoding": "utf-8-sig",
        "skip_blank_lines": False,
        "on_bad_lines": "error",
    }
    try:
        with warnings.catch_warnings():
            # All lines have a value more than the header: pandas would leave out the last one.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            names = pd.read_csv(path, header=None, nrows=1, dtype=str, **read)
            check_header([str(name) for name in names.iloc[0]], path)
            table = pd.read_csv(path, dtype=types, keep_default_na=False, index_col=False, **read)
    except pd.errors.ParserWarning:
        raise MetricsError(
            f"{path}, row 2: there are more values than columns in row 1; a text with a comma "
            "needs quotes, and a number a decimal point"
        ) from None
    except pd.errors.EmptyDataError:
        raise MetricsError(
            f"{path}, row 1: it is empty; the first row of a table names its columns"
        ) from None
    except UnicodeDecodeError:
        raise MetricsError(_not_text(path)) from None
    except pd.errors.ParserError as error:
        raise MetricsError(_not_parsed(path, str(error))) from None
    blank = table.iloc[:, 0].astype(str) == ""
    blank[blank] = (table[blank].astype(str) == "").all(axis="columns")
    return table[~blank]


def _not_text(path: Path) -> str:
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        try:
            line.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            return (
                f"{path}, row {number}: byte {error.start + 1} is no text in UTF-8; save the table "
                'as comma-separated values in UTF-8 (Excel: "CSV UTF-8")'
            )
    return f"{path} is no text in UTF-8"


def _not_parsed(path: Path, reason: str) -> str:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", reason)
    if not found:
        return f"{path} is no table of comma-separated values: {reason}"
    expected, row, seen = found.groups()
    return (
        f"{path}, row {row}: {seen} values where row 1 has {expected} columns; a text with a comma "
        "needs quotes, and a number a decimal point"
    )


def refuse(bad: pd.Series, values: pd.Series, path: Path, reason: str) -> None:
    """Refuse a table in which `bad` holds for any row, and show the value of the first such row.

    Raises:
        MetricsError: naming file, row and column.
    """
    if bad.any():
        row = int(bad.index[bad][0])
        value = values[row]
        shown = repr(value) if isinstance(value, str) else f"{value:g}"
        raise MetricsError(
            f"{path}, row {row_number(row)}, column {values.name}: {shown} {reason}; {remake(path)}"
        )


def refuse_other_than(table: pd.DataFrame, column: str, known: Collection[str], path: Path) -> None:
    """Refuse a table whose column has a value that is not among the known ones.

    Raises:
        MetricsError: naming file, row and column.
    """
    words = f"is none of: {', '.join(known)}"
    refuse(~table[column].isin(list(known)), table[column], path, words)


def refuse_outside(table: pd.DataFrame, middle: str, ends: tuple[str, str], path: Path) -> None:
    """Refuse a table with an interval that does not lie around its mean; NaN is no interval.

    Raises:
        MetricsError: naming file, row and column.
    """
    low, high = ends
    words = f"does not lie around the value in the column {middle}"
    refuse(table[low] > table[middle], table[low], path, words)
    refuse(table[high] < table[middle], table[high], path, words)


def refuse_impossible(table: pd.DataFrame, probabilities: Collection[str], path: Path) -> None:
    """Refuse p values outside 0..1, and more collapsed runs than there are runs.

    Raises:
        MetricsError: naming file, row and column.
    """
    for column in probabilities:
        outside = (table[column] < 0) | (table[column] > 1)
        refuse(outside, table[column], path, "is no probability")
    more = table["collapsed"] > table["n"]
    refuse(more, table["collapsed"], path, "is more than the number of runs in the column n")


def _numbers(texts: pd.Series, path: Path) -> pd.Series:
    values = pd.to_numeric(texts.replace({"": "nan"}), errors="coerce").astype(float)
    refuse(values.isna() & ~texts.str.lower().isin(["", "nan"]), texts, path, "is no number")
    return values
