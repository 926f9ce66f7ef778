"""The tidy table: one row per run, metric, split and time."""

import hashlib
import json
import sys
from collections import defaultdict
from pathlib import Path

import pandas as pd
from pandas.api.typing import NAType

from polyrepro.analysis.metrics_checks import (
    ELSEWHERE,
    MetricsError,
    check_coefficients,
    check_columns,
    check_metrics,
    numbers,
)
from polyrepro.analysis.metrics_units import check_units
from polyrepro.analysis.runs_checks import check_metric_names, check_runs
from polyrepro.analysis.steps_to_accuracy import steps_to_accuracy
from polyrepro.analysis.tables import read_cells, remake
from polyrepro.plan import Plan
from polyrepro.running.records import read_record
from polyrepro.runs import Run
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
    "chance",
    "data_sha256",
]


TEXTS = (
    *(
        "study",
        "scale",
        "recipe",
        "variant",
        "dataset",
        "model",
        "label",
        "series",
        "epsilon",
        "terms",
    ),
    *("metric", "split", "run", "data_sha256", "seed", "epoch", "value"),
)
"""Columns that are read as they are; numbers among them are checked one by one."""

UNSAID: dict[str, str | float | NAType] = {
    "scale": ELSEWHERE,
    "gamma": 0.0,
    "learning_rate": float("nan"),
    "terms": pd.NA,
}
UNSAID |= {"chance": float("nan")}
UNSAID |= dict.fromkeys(("recipe", "dataset", "model", "series", "epsilon", "data_sha256"), "")
"""Columns that a table may lack, with what stands in for them."""


def record_rows(record: dict) -> list[dict]:
    """The rows of one record, without the study and the scale.

    `chance` is the accuracy of guessing in percent (0 for a detector), `data_sha256` a checksum of
    all that the record says about its data.
    """
    loss = Loss.model_validate_json(json.dumps(record["loss"]))
    data = record["data"]
    classes = data["classes"] if isinstance(data["classes"], int) else len(data["classes"])
    # Large data sets are cited by the checksum of their index, whatever was checked since.
    cited = data.get("index_sha256") or json.dumps(data, sort_keys=True)
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
        "chance": 100 / classes if record["recipe"]["kind"] == "classification" else 0.0,
        "data_sha256": hashlib.sha256(cited.encode()).hexdigest(),
    }
    # Of a classifier; a detector has no accuracy of training.
    steps = {"epoch": record["recipe"]["epochs"], "split": "train"} | steps_to_accuracy(record)
    return [
        common
        | {"metric": name, "split": row["split"], "epoch": round(row["epoch"], 4), "value": value}
        for row in (*record["history"], steps)
        for name, value in row.items()
        if name not in ("epoch", "split")
        and (float(row["epoch"]).is_integer() or name in WITHIN_EPOCH)
    ]


def collect(plan: Plan) -> pd.DataFrame:
    """The table of all studies of a plan, from the records in its results folder."""
    records = records_of(plan)
    warn_of_different_sources(records)
    return tidy_table(plan, records)


def records_of(plan: Plan) -> dict[str, dict]:
    """The records of all runs, by their ids."""
    return {run.id: read_record(plan.settings, run) for run in plan.runs}


def tidy_table(plan: Plan, records: dict[str, dict]) -> pd.DataFrame:
    """The table of all studies of a plan; a run shared by studies has rows under each of them.

    Args:
        records: of all runs, by their ids.
    """
    # A record has the label of its day.
    labels = {run.id: {"label": label_today(run, records[run.id])} for run in plan.runs}
    rows = {run_id: record_rows(record | labels[run_id]) for run_id, record in records.items()}
    table = pd.DataFrame(
        (
            {"study": study.name, "scale": plan.settings.scale_label} | row
            for study in plan.studies
            for run in plan.runs_of(study)
            for row in rows[run.id]
        ),
        columns=COLUMNS,
    )
    return table.astype({"terms": "Int64"})


def label_today(run: Run, record: dict) -> str:
    """What a study now calls the variant of a record; a search may have chosen coefficients."""
    loss = Loss.model_validate_json(json.dumps(record["loss"]))
    return run.variant.label_with(loss, record["learning_rate"])


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


def read_metrics(path: Path, *, may_be_empty: bool = False) -> pd.DataFrame:
    """Read and check `metrics.csv`.

    An empty epsilon is text (cross-entropy), not a missing number. Of the columns only those in
    `metrics_checks.NEEDED` are necessary; the others get values that say nothing.

    Args:
        may_be_empty: there may be no rows, because no run has finished.

    Raises:
        MetricsError: naming file, row and column, if the table cannot be read, or mixes scales,
            lengths of training, units, data, losses, or has a run twice.
    """
    try:
        return _checked(path, may_be_empty)
    except MetricsError as error:
        # In a folder of results the records are there to make it again.
        if path.name == "metrics.csv" and path.with_name("settings.json").exists():
            raise MetricsError(f"{error}; or {remake(path)}") from None
        raise


def _checked(path: Path, may_be_empty: bool) -> pd.DataFrame:
    table = read_cells(path, dict.fromkeys(TEXTS, str))
    check_columns(table, path, may_be_empty=may_be_empty)
    if table.empty:
        return table
    for column, value in UNSAID.items():
        if column not in table:
            table[column] = value
    if "label" not in table:
        table["label"] = table["variant"]
    if "run" not in table:
        table["run"] = table["variant"] + "/seed" + table["seed"].astype(str)
    table["seed"] = numbers(table, "seed", path, whole=True)
    for column in ("epoch", "value"):
        table[column] = numbers(table, column, path)
    for column in ("gamma", "learning_rate", "chance"):
        table[column] = numbers(table, column, path, optional=True)
    table["terms"] = numbers(table, "terms", path, whole=True, optional=True)
    check_coefficients(table, path)
    check_metric_names(table, path)
    check_metrics(table, path)
    check_units(table, path)
    check_runs(table, path)
    return table


def final_values(metrics: pd.DataFrame, study: str, metric: str, split: str) -> pd.DataFrame:
    """Values of a metric at the end of training: a row per seed, a column per variant."""
    wanted = (metrics["study"] == study) & (metrics["metric"] == metric)
    rows = metrics[wanted & (metrics["split"] == split)]
    last = rows[rows["epoch"] == rows.groupby(["variant", "seed"])["epoch"].transform("max")]
    return last.pivot(index="seed", columns="variant", values="value")
