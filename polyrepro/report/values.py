"""Every number and computed word of the report, as one JSON: the text itself holds none."""

import importlib.metadata
import json
from collections import Counter
from pathlib import Path

import pandas as pd

from polyrepro.analysis.claims import PAPER_SCALE, WORST_FIRST
from polyrepro.analysis.metrics_table import read_metrics, training_sources
from polyrepro.analysis.published import published_numbers
from polyrepro.analysis.statistics import CONFIDENCE, read_statistics
from polyrepro.data.manifests import read_manifest
from polyrepro.figures import FIGURES
from polyrepro.files import data_folder
from polyrepro.plan import Plan
from polyrepro.report.atlas import atlas_values
from polyrepro.report.findings import FINDINGS
from polyrepro.report.labels import (
    METRIC_LABELS,
    contrast_label,
    interval,
    number,
    signed,
    with_half_width,
)
from polyrepro.running.records import read_record
from polyrepro.studies.study import Study
from polyrepro.variants import REFERENCE, coefficient

BENCHMARKS = Path(__file__).parents[2] / "results" / "benchmarks"
CLAIM_KEYS = ("statement", "quantity", "outcome", "verdict", "published", "published_status")
TOOLS = ("snakemake", "pandas", "scipy", "matplotlib", "typst")


def report_values(plan: Plan) -> dict:
    """All values of the report; the templates fail on a key that is missing here."""
    results = Path(plan.settings.results)
    metrics = read_metrics(results / "metrics.csv")
    statistics = read_statistics(results / "statistics.csv")
    claims = _claims_of(plan, pd.read_csv(results / "claims.csv"))
    outcomes = Counter(claims.drop_duplicates("claim")["outcome"])
    return {
        "scale": plan.settings.scale_label,
        "analogue": plan.settings.scale_label != PAPER_SCALE,
        "confidence": f"{100 * CONFIDENCE:g}",
        "seeds": _seeds(plan),
        "studies": {
            study.name: _study_values(plan, study, metrics, statistics, claims)
            for study in plan.studies
        },
        "losses_figure": str((results / "figures/losses.pdf").resolve()),
        "outcomes": [
            {"outcome": outcome, "count": outcomes[outcome]} for outcome in reversed(WORST_FIRST)
        ],
        "claims_count": sum(outcomes.values()),
        "published": _published_rows(),
        "benchmark": _benchmark(),
        "atlas": atlas_values(results),
        "provenance": _provenance(plan, results),
    }


def _claims_of(plan: Plan, claims: pd.DataFrame) -> pd.DataFrame:
    """The claims of the studies that were run at this scale; the table lists all others, too."""
    names = [study.name for study in plan.studies]
    own = claims[(claims["scale"] == plan.settings.scale_label) & claims["study"].isin(names)]
    return own.fillna({"published": "", "published_status": ""})


def _seeds(plan: Plan) -> str:
    """Seeds per variant, as a range where studies differ."""
    settings = plan.settings
    counts = {study.seeds_at(settings.scale, settings.seeds) for study in plan.studies}
    return " to ".join(str(count) for count in sorted({min(counts), max(counts)}))


def _study_values(
    plan: Plan, study: Study, metrics: pd.DataFrame, statistics: pd.DataFrame, claims: pd.DataFrame
) -> dict:
    recipe = plan.recipe_of(study)
    rows = statistics[statistics["study"] == study.name]
    of_test = rows[rows["split"] == "test"]
    shown = of_test[of_test["metric"] == study.metric]
    # Data without masks have no mask metrics.
    metrics_shown = [m for m in (study.metric, *study.also) if m in set(of_test["metric"])]
    manifest = _manifest(plan, recipe.dataset)
    images = {name: split["images"] for name, split in manifest["splits"].items()}
    labels = dict(zip(shown["variant"], shown["label"], strict=True))
    images["train"] = min(images["train"], recipe.train_images or images["train"])
    return {
        "title": study.title,
        "question": study.question,
        "recipe": recipe.model_dump(),
        "images": images,
        "metrics": [METRIC_LABELS[metric] for metric in metrics_shown],
        "reference": labels[study.reference],
        "figures": {
            name: str((Path(plan.settings.results) / f"figures/{name}.pdf").resolve())
            for name, needed in FIGURES.items()
            if needed == study.name
        },
        "rows": [
            {
                "label": labels[row["variant"]],
                "selected": bool(row["selected"]),
                "n": row["n"],
                "cells": _cells(of_test[of_test["variant"] == row["variant"]], metrics_shown),
            }
            for row in shown.to_dict("records")
        ],
        "claims": _claim_values(claims[claims["study"] == study.name], labels),
        "finding": FINDINGS[study.name](rows, metrics[metrics["study"] == study.name])
        if study.name in FINDINGS
        else "",
    }


def _cells(rows: pd.DataFrame, metrics: list[str]) -> list[dict[str, str]]:
    """A variant's value and difference to the reference, metric by metric."""
    by_metric = rows.set_index("metric")
    cells = []
    for row in (by_metric.loc[metric] for metric in metrics):
        ends = row["difference"], row["difference_high"]
        cells.append(
            {
                "value": with_half_width(row["mean"], row["high"], 2),
                "difference": with_half_width(*ends, 2, shown=signed),
            }
        )
    return cells


def _manifest(plan: Plan, dataset: str) -> dict:
    return read_manifest(data_folder(Path(plan.settings.results), dataset))


def _claim_values(claims: pd.DataFrame, labels: dict[str, str]) -> list[dict]:
    """One entry per claim, with its contrasts; numbers in the digits that the metric deserves."""
    entries = []
    for _, rows in claims.groupby("claim", sort=False):
        first = rows.iloc[0]
        entries.append(
            {key: first[key] for key in CLAIM_KEYS}
            | {
                "contrasts": [_contrast_values(row, labels) for row in rows.to_dict("records")],
            }
        )
    return entries


def _contrast_values(row: dict, labels: dict[str, str]) -> dict:
    digits = 2 if row["contrast"].split(" ")[0] in METRIC_LABELS else 3
    shown = signed if " - " in row["contrast"] else number  # a difference shows its sign
    return {
        "contrast": contrast_label(row["contrast"], labels | {REFERENCE: "CE"}),
        "expected": row["expected"].replace("above", ">").replace("below", "<"),
        "measured": shown(row["measured"], digits),
        "interval": interval(row["low"], row["high"], digits, shown),
        "n": row["n"],
    }


def _published_rows() -> list[dict]:
    """Baseline and Poly-1 of each published pair side by side, with the status of the numbers."""
    numbers = published_numbers().fillna({"note": "", "epsilon_status": ""})
    rows = []
    for _, pair in numbers.groupby(["dataset", "model", "metric"], sort=False):
        baseline = pair.iloc[0]
        for _, improved in pair.iloc[1:].iterrows():
            known = improved["epsilon_status"] != "unknown"
            rows.append(
                {
                    "dataset": baseline["dataset"],
                    "model": baseline["model"],
                    "metric": baseline["metric"],
                    "baseline_loss": baseline["loss"],
                    "baseline": number(baseline["value"], 1),
                    "loss": improved["loss"],
                    "epsilon": coefficient(improved["epsilon"]) if known else "unknown",
                    "value": number(improved["value"], 1),
                    "gain": signed(improved["value"] - baseline["value"], 1),
                    "status": improved["status"],
                }
            )
    return rows


def _benchmark() -> dict | None:
    """What `make bench` left: its figure, and what it ran on; None if it has not been run."""
    if not (BENCHMARKS / "losses.csv").exists():
        return None
    rows = pd.read_csv(BENCHMARKS / "losses.csv")
    return {
        "figure": str(BENCHMARKS / "losses.png"),
        **{key: _distinct(rows[key].astype(str)) for key in ("device", "threads", "torch")},
    }


def _provenance(plan: Plan, results: Path) -> dict:
    """Hardware, versions and source of all records; several values where records differ."""
    by_run = {run.id: read_record(plan.settings, run) for run in plan.runs}
    records = list(by_run.values())
    environments = [record["environment"] for record in records]
    seconds = sum(row.get("seconds", 0) for record in records for row in record["history"])
    settings = plan.settings
    overrides = settings.overrides.model_dump(exclude_none=True)
    arguments = [f"scale={settings.scale}", f"studies={','.join(settings.studies)}"]
    arguments += [f"seeds={settings.seeds}", f"results={settings.results}"]
    arguments += [f"overrides={json.dumps(overrides)!r}"] if overrides else []
    return {
        "runs": len(records),
        "training_minutes": number(seconds / 60, 1),
        "hardware": _distinct(
            f"{record['device']} ({environment['processor']})"
            for record, environment in zip(records, environments, strict=True)
        ),
        "threads": _distinct(str(environment["threads"]) for environment in environments),
        "platform": _distinct(environment["platform"] for environment in environments),
        "training_versions": _distinct(
            ", ".join(
                f"{name} {version}"
                for name, version in {
                    "Python": environment["python"],
                    **environment["versions"],
                }.items()
            )
            for environment in environments
        ),
        "report_versions": ", ".join(
            f"{tool} {importlib.metadata.version(tool)}" for tool in TOOLS
        ),
        "commits": _distinct(environment["commit"] for environment in environments),
        "sources": [
            {"name": name, "sha256": version, "runs": len(runs), "which": ", ".join(runs)}
            for name, versions in training_sources(by_run).items()
            for version, runs in versions.items()
        ],
        "overrides": ", ".join(f"{key} = {value}" for key, value in overrides.items()),
        "data": [
            {"dataset": name, "split": split, "images": entry["images"]}
            # Large data sets have one checksum, of the index of all their splits.
            | {"sha256": entry.get("sha256") or manifest["index_sha256"]}
            for name in sorted({run.recipe.dataset for run in plan.runs})
            for manifest in (_manifest(plan, name),)
            for split, entry in manifest["splits"].items()
        ],
        "command": "snakemake --cores all --config " + " ".join(arguments),
    }


def _distinct(values) -> list[str]:
    return sorted(set(values))
