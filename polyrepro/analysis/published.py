"""The published numbers and statements, with how sure we are of each."""

from pathlib import Path
from typing import cast

import pandas as pd

from polyrepro.errors import PolyreproError
from polyrepro.studies.claim import Claim

FOLDER = Path(__file__).parents[2] / "results" / "published"
PAPER_SCALE = "paper"
SHORTENED = ("imagenet_short", "coco_short")
"""Scales with the paper's networks and full-size data, and trainings shorter than the paper's."""

STATUSES = ("verified", "secondary", "inferred", "re-run", "unverified", "unknown")
"""What a row may say about how sure we are; results/published/README.md explains them."""


class PublishedRecordError(PolyreproError):
    """A published row that does not say where it comes from or how sure we are."""


def published_numbers(folder: Path = FOLDER) -> pd.DataFrame:
    """One row per number, indexed by id; see results/published/README.md.

    Raises:
        PublishedRecordError: if a row has no status, place or source.
    """
    return _read(folder / "numbers.csv")


def published_statements(folder: Path = FOLDER) -> pd.DataFrame:
    """One row per statement, indexed by id, with `gain`: the published difference, or NaN.

    Raises:
        PublishedRecordError: if a row has no status, place or source, or names a number that is
            not in the record.
    """
    statements, values = _read(folder / "statements.csv"), published_numbers(folder)["value"]
    for column in ("baseline", "improved"):
        unknown = statements[column].dropna()
        unknown = unknown[~unknown.isin(values.index)]
        if len(unknown):
            raise PublishedRecordError(
                f"{folder / 'statements.csv'}, row {unknown.index[0]}, column {column}: "
                f"{unknown.iloc[0]!r} is no id of numbers.csv"
            )
    statements["gain"] = statements["improved"].map(values) - statements["baseline"].map(values)
    return statements


def published_facts(folder: Path = FOLDER) -> pd.DataFrame:
    """Numbers that are no results: noise, settings, advice, a misattribution; indexed by id.

    Raises:
        PublishedRecordError: if a row has no status, place or source.
    """
    return _read(folder / "facts.csv")


def statement_of(claim: Claim, statements: pd.DataFrame) -> pd.Series | None:
    """The row of the statement that a claim comes from; None for a question of our own."""
    if claim.published is None:
        return None
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
    unknown = table[~table["status"].isin(STATUSES)]
    if len(unknown):
        raise PublishedRecordError(
            f"{path}, row {unknown.index[0]}, column status: {unknown['status'].iloc[0]!r} is none "
            f"of {', '.join(STATUSES)}"
        )
    return table
