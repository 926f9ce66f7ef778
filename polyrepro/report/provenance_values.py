"""Where the numbers come from: hardware, versions, sources, data and date."""

import importlib.metadata
import json
import os
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from polyrepro.analysis.metrics_table import training_sources
from polyrepro.analysis.not_run import command_for
from polyrepro.analysis.reference_folders import COMMITTED
from polyrepro.data.manifests import read_manifest
from polyrepro.files import data_folder, record_path
from polyrepro.plan import Plan
from polyrepro.report.labels import number

BENCHMARKS = Path(__file__).parents[2] / "results" / "benchmarks"
TOOLS = ("snakemake", "pandas", "scipy", "matplotlib", "typst")


def date_of(plan: Plan) -> str:
    """The date on the title: SOURCE_DATE_EPOCH if it is set, else that of the newest record.

    It is no date of today's: the same results give the same report. Without records there is none.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        seconds = float(given)
    elif not plan.runs:
        return ""
    else:
        results = Path(plan.settings.results)
        seconds = max(record_path(results, run.id).stat().st_mtime for run in plan.runs)
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %B %Y")


def benchmark_values() -> dict | None:
    """What `make bench` left: its figure, and what it ran on; None if it has not been run."""
    if not (BENCHMARKS / "losses.csv").exists():
        return None
    rows = pd.read_csv(BENCHMARKS / "losses.csv")
    return {
        "figure": str(BENCHMARKS / "losses.png"),
        **{key: _distinct(rows[key].astype(str)) for key in ("device", "threads", "torch")},
    }


def provenance_values(plan: Plan, by_run: dict[str, dict]) -> dict:
    """Hardware, versions and source of all records; several values where records differ.

    Args:
        by_run: as `records_of` gives them.
    """
    records = list(by_run.values())
    environments = [record["environment"] for record in records]
    settings = plan.settings
    overrides = settings.overrides.model_dump(exclude_none=True)
    arguments = [f"scale={settings.scale}", f"studies={','.join(settings.studies)}"]
    arguments += [f"seeds={settings.seeds}", f"results={settings.results}"]
    arguments += ["finished_only=true"] if settings.finished_only else []
    arguments += [f"references={','.join(settings.references)}"] if settings.references else []
    arguments += [f"overrides={json.dumps(overrides)!r}"] if overrides else []
    return {
        "runs": len(records),
        "training_minutes": training_minutes(records),
        "hardware": _distinct(
            f"{record['device'].replace('cpu', 'CPU')} ({environment['processor']})"
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
            {"name": name, "sha256": version, "runs": len(runs), "which": shortened(runs)}
            for name, versions in training_sources(by_run).items()
            for version, runs in versions.items()
        ],
        "missing": sorted(plan.missing),
        "overrides": ", ".join(f"{key} = {value}" for key, value in overrides.items()),
        "data": [
            {"dataset": name, "split": split, "images": entry["images"]}
            # Large data sets have one checksum, of the index of all their splits.
            | {"sha256": entry.get("sha256") or manifest["index_sha256"]}
            for name in sorted({run.recipe.dataset for run in plan.runs})
            for manifest in (read_manifest(data_folder(Path(settings.results), name)),)
            for split, entry in manifest["splits"].items()
        ],
        "command": "snakemake --cores all --config " + " ".join(arguments),
        "commands": {study.name: command_for(study.name, settings.scale) for study in plan.studies},
    }


def training_minutes(records: Iterable[dict]) -> str:
    """Minutes that the trainings of some runs took, one after the other."""
    seconds = sum(row.get("seconds", 0) for record in records for row in record["history"])
    return number(seconds / 60, 1)


def shortened(run_ids: list[str]) -> str:
    """Which runs these are, by recipe: `kanji (30 runs of 5 variants)`."""
    parts = [run_id.split("/") for run_id in run_ids]
    recipes = Counter(recipe for recipe, *_ in parts)
    variants = Counter(recipe for recipe, _ in {(recipe, variant) for recipe, variant, _ in parts})
    return ", ".join(
        f"{recipe} ({_counted(count, 'run')} of {_counted(variants[recipe], 'variant')})"
        for recipe, count in recipes.items()
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count > 1)}"


def _distinct(values) -> list[str]:
    return sorted(set(values))


def tuning_values() -> list[dict]:
    """How the recipes on characters were found: best mean validation accuracy per stage."""
    rows = pd.read_csv(COMMITTED / "tuning" / "kanji.csv")
    settings = ["batch_size", "epochs", "learning_rate", "max_shift", "weight_decay"]
    found = []
    for (dataset, stage), of_stage in rows.groupby(["dataset", "stage"], sort=False):
        means = of_stage.groupby(settings)["validation_top1"].mean()
        found.append(
            {"dataset": dataset, "stage": stage.replace("_", " "), "tried": len(means)}
            | {"runs": len(of_stage), "validation": number(means.max(), 1)}
            | dict(zip(settings, map("{:g}".format, means.idxmax()), strict=True))
        )
    return found
