"""The tidy table: one row per run, metric, split and time."""

import json
from pathlib import Path

import pandas as pd

from polyrepro.errors import PolyreproError
from polyrepro.files import record_path
from polyrepro.plan import Plan
from polyrepro.runs import Run

WITHIN_EPOCH = {"mean_pt", "leading_share", "leading_share_weighted"}
"""Metrics whose course inside an epoch is kept; of the others, the values at its end."""

COLUMNS = [
    "study",
    "scale",
    "recipe",
    "variant",
    "seed",
    "dataset",
    "model",
    "epsilon",
    "terms",
    "gamma",
    "learning_rate",
    "metric",
    "split",
    "epoch",
    "value",
    "run",
]


class MissingRecordError(PolyreproError):
    """A run that should have finished has no usable record."""


def read_record(results: Path, run: Run) -> dict:
    """The record of a finished run.

    Raises:
        MissingRecordError: if there is none, or it belongs to another configuration.
    """
    path = record_path(results, run.id)
    try:
        record = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise MissingRecordError(
            f"{run.id} has no readable record ({path}: {error}); train it again: "
            f"polyrepro train --results {results} {run.id}"
        ) from None
    if record["recipe"] != json.loads(run.recipe.model_dump_json()):
        raise MissingRecordError(
            f"{path} was made with another recipe than the configuration asks for; "
            f"train it again: polyrepro train --results {results} {run.id}"
        )
    return record


def record_rows(record: dict) -> list[dict]:
    """The rows of one record, without the study and the scale."""
    loss = record["loss"]
    common = {
        "recipe": record["recipe"]["name"],
        "variant": record["variant"]["name"],
        "seed": record["seed"],
        "dataset": record["recipe"]["dataset"],
        "model": record["recipe"]["model"],
        "epsilon": " ".join(f"{e:g}" for e in loss["epsilon"]),
        "terms": loss["terms"],
        "gamma": loss["gamma"],
        "learning_rate": record["learning_rate"],
        "run": record["run"],
    }
    return [
        common
        | {"metric": name, "split": row["split"], "epoch": round(row["epoch"], 4), "value": value}
        for row in record["history"]
        for name, value in row.items()
        if name not in ("epoch", "split")
        and (float(row["epoch"]).is_integer() or name in WITHIN_EPOCH)
    ]


def collect(plan: Plan) -> pd.DataFrame:
    """The table of all studies of a plan; a run shared by studies has rows under each of them."""
    results = Path(plan.settings.results)
    rows = {run.id: record_rows(read_record(results, run)) for run in plan.runs}
    table = pd.DataFrame(
        {"study": study.name, "scale": plan.settings.scale_label} | row
        for study in plan.studies
        for run in plan.runs_of(study)
        for row in rows[run.id]
    )
    return table[COLUMNS].astype({"terms": "Int64"})


def read_metrics(path: Path) -> pd.DataFrame:
    """Read `metrics.csv`; an empty epsilon is text (cross-entropy), not a missing number."""
    table = pd.read_csv(path, dtype={"epsilon": str, "terms": "Int64"})
    return table.fillna({"epsilon": ""})


def final_values(metrics: pd.DataFrame, study: str, metric: str, split: str) -> pd.DataFrame:
    """Values of a metric at the end of training: a row per seed, a column per variant."""
    rows = metrics.query("study == @study and metric == @metric and split == @split")
    last = rows[rows["epoch"] == rows.groupby("run")["epoch"].transform("max")]
    return last.pivot(index="seed", columns="variant", values="value")
