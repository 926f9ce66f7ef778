"""The tidy table: one row per run, metric, split and time."""

import json
import sys
from collections import defaultdict
from pathlib import Path

import pandas as pd

from polyrepro.plan import Plan
from polyrepro.running.records import read_record
from polyrepro.variants import Loss

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
    "label",
    "series",
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


def record_rows(record: dict) -> list[dict]:
    """The rows of one record, without the study and the scale."""
    loss = Loss.model_validate_json(json.dumps(record["loss"]))
    common = {
        "recipe": record["recipe"]["name"],
        "variant": record["variant"]["name"],
        "seed": record["seed"],
        "dataset": record["recipe"]["dataset"],
        "model": record["recipe"]["model"],
        "label": record["label"],
        "series": loss.series,
        "epsilon": " ".join(f"{e:g}" for e in loss.epsilon),
        "terms": loss.terms,
        "gamma": loss.gamma,
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
    records = {run.id: read_record(plan.settings, run) for run in plan.runs}
    warn_of_different_sources(records)
    rows = {run_id: record_rows(record) for run_id, record in records.items()}
    table = pd.DataFrame(
        {"study": study.name, "scale": plan.settings.scale_label} | row
        for study in plan.studies
        for run in plan.runs_of(study)
        for row in rows[run.id]
    )
    return table[COLUMNS].astype({"terms": "Int64"})


def training_sources(records: dict[str, dict]) -> dict[str, dict[str, list[str]]]:
    """The sources that trained: name to checksum to the ids of its runs, most runs first.

    Names are `polyrepro`, and series from outside the package.
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for run_id, record in records.items():
        found["polyrepro"][record["environment"]["training_source_sha256"][:12]].append(run_id)
        if record["series_source_sha256"] is not None:
            series = record["loss"]["series"]
            found[series][record["series_source_sha256"][:12]].append(run_id)
    return {
        name: dict(sorted(versions.items(), key=lambda item: -len(item[1])))
        for name, versions in found.items()
    }


def warn_of_different_sources(records: dict[str, dict]) -> None:
    """Say on standard error which runs another version of their source has made."""
    for name, versions in training_sources(records).items():
        if len(versions) > 1:
            usual, *others = versions
            print(
                f"warning: {len(versions)} versions of the source of {name} made the records: "
                f"{len(versions[usual])} by {usual};",
                *(f"  by {version}: {', '.join(versions[version])}" for version in others),
                sep="\n",
                file=sys.stderr,
            )


def read_metrics(path: Path) -> pd.DataFrame:
    """Read `metrics.csv`; an empty epsilon is text (cross-entropy), not a missing number."""
    table = pd.read_csv(path, dtype={"epsilon": str, "terms": "Int64"})
    return table.fillna({"epsilon": ""})


def final_values(metrics: pd.DataFrame, study: str, metric: str, split: str) -> pd.DataFrame:
    """Values of a metric at the end of training: a row per seed, a column per variant."""
    rows = metrics.query("study == @study and metric == @metric and split == @split")
    last = rows[rows["epoch"] == rows.groupby("run")["epoch"].transform("max")]
    return last.pivot(index="seed", columns="variant", values="value")
