"""The published numbers and statements, with how sure we are of each."""

from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from polyrepro.errors import PolyreproError
from polyrepro.studies.claim import Claim

FOLDER = Path(__file__).parents[2] / "results" / "published"
PAPER_SCALE = "paper"
SHORTENED = ("imagenet_short", "coco_short")
"""Scales with the paper's networks and full-size data, and trainings shorter than the paper's."""

STATUSES = ("verified", "secondary", "inferred", "re-run", "unverified", "unknown")
"""What a row may say about how sure we are, surest first; results/published/README.md explains
them."""


class PublishedRecordError(PolyreproError):
    """A published row that does not say where it comes from or how sure we are."""


def published_numbers(folder: Path = FOLDER) -> pd.DataFrame:
    """One row per number, indexed by id; see results/published/README.md.

    Raises:
        PublishedRecordError: if a row has no status, place or source, or its value is no number.
    """
    path = folder / "numbers.csv"
    table = _read(path)
    values = pd.to_numeric(table["value"], errors="coerce")
    bad = table.index[~np.isfinite(values)]
    if len(bad):
        raise PublishedRecordError(
            f"{path}, row {bad[0]}, column value: {str(table['value'][bad[0]])!r} is no finite "
            "number"
        )
    for column, statuses in (
        ("metric_status", STATUSES),
        ("epsilon_status", (*STATUSES, "")),  # empty where the loss has no coefficient
    ):
        _check_statuses(table, column, path, statuses)
    return table.assign(value=values)


def published_statements(folder: Path = FOLDER) -> pd.DataFrame:
    """One row per statement, indexed by id, with `gain`: the published difference, or NaN.

    Raises:
        PublishedRecordError: if a row has no status, place or source, names a number that is not
            in the record, or is verified although its numbers are not.
    """
    path, numbers = folder / "statements.csv", published_numbers(folder)
    statements, values = _read(path), numbers["value"]
    for column in ("baseline", "improved"):
        unknown = statements[column].dropna()
        unknown = unknown[~unknown.isin(values.index)]
        if len(unknown):
            raise PublishedRecordError(
                f"{path}, row {unknown.index[0]}, column {column}: "
                f"{unknown.iloc[0]!r} is no id of numbers.csv"
            )
        statuses = statements[column].map(numbers["status"])
        unsure = statements[(statements["status"] == "verified") & (statuses != "verified")]
        if len(unsure):
            raise PublishedRecordError(
                f"{path}, row {unsure.index[0]}, column status: verified, but the number in the "
                f"column {column} ({unsure[column].iloc[0]}) is not; a statement is as sure as its "
                "numbers"
            )
    gains = statements["improved"].map(values) - statements["baseline"].map(values)
    statements["gain"] = gains.round(9)  # 80.2 - 79.4 is 0.8
    return statements


def published_facts(folder: Path = FOLDER) -> pd.DataFrame:
    """Numbers that are no results: noise, settings, advice, a misattribution; indexed by id.

    Raises:
        PublishedRecordError: if a row has no status, place or source.
    """
    return _read(folder / "facts.csv")


def statement_of(claim: Claim, statements: pd.DataFrame) -> pd.Series | None:
    """The row of the statement that a claim comes from; None for a question of our own.

    Raises:
        PublishedRecordError: if the record has no such row.
    """
    if claim.published is None:
        return None
    if claim.published not in statements.index:
        raise PublishedRecordError(
            f"{FOLDER / 'statements.csv'}, column id: there is no row {claim.published!r}, from "
            f"which the claim {claim.name} comes; restore it: git checkout -- {FOLDER}"
        )
    # Ids do not repeat, so this is a row and not a table, which the types cannot know.
    return cast(pd.Series, statements.loc[claim.published])


def about_statement(statement: pd.Series | None) -> dict:
    """The columns of `claims.csv` about the publication; empty for a question of our own."""
    if statement is None:
        return {
            "published": "",
            "published_gain": float("nan"),
            "published_status": "",
            "published_source": "",
        }
    return {
        "published": statement["statement"],
        "published_gain": statement["gain"],
        "published_status": statement["status"],
        "published_source": statement["source"],
    }


def _read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, index_col="id")
    if repeated := list(table.index[table.index.duplicated()]):
        raise PublishedRecordError(
            f"{path}, row {repeated[0]}, column id: the id is there twice; "
            "each row needs one of its own"
        )
    for column in ("status", "place", "source"):
        empty = table.index[table[column].isna()]
        if len(empty):
            raise PublishedRecordError(
                f"{path}, row {empty[0]}: the column {column} is empty; a published row says how "
                "sure we are of it and where it was read"
            )
    _check_statuses(table, "status", path, STATUSES)
    return table


def _check_statuses(table: pd.DataFrame, column: str, path: Path, allowed: tuple) -> None:
    unknown = table[~table[column].fillna("").isin(allowed)]
    if len(unknown):
        raise PublishedRecordError(
            f"{path}, row {unknown.index[0]}, column {column}: {unknown[column].iloc[0]!r} is none "
            f"of {', '.join(filter(None, allowed))}"
        )
