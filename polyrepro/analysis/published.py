"""The published numbers and statements, with how sure we are of each."""

from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parents[2] / "results" / "published"


def published_numbers() -> pd.DataFrame:
    """One row per number, indexed by id; see results/published/README.md."""
    return pd.read_csv(FOLDER / "numbers.csv", index_col="id")


def published_statements() -> pd.DataFrame:
    """One row per statement, indexed by id, with `gain`: the published difference, or NaN."""
    statements = pd.read_csv(FOLDER / "statements.csv", index_col="id")
    values = published_numbers()["value"]
    statements["gain"] = statements["improved"].map(values) - statements["baseline"].map(values)
    return statements
