"""Series from outside the package whose file has changed since runs were trained with them."""

import hashlib
import os
import sys
from collections import defaultdict
from importlib.machinery import PathFinder
from pathlib import Path

from polyrepro.files import run_link
from polyrepro.plan import Plan
from polyrepro.running.records import unchecked_record


def warnings_of_changed_series(plan: Plan) -> list[str]:
    """One line for each file that differs from the one that records were made with.

    The records stay: only their owner knows whether the change matters to the numbers.
    """
    results = Path(plan.settings.results)
    changed: dict[Path, list[str]] = defaultdict(list)
    for run in plan.runs:
        module, colon, _ = run.loss.series.partition(":")
        file = source_of(module) if colon else None
        if file is None:
            continue
        record = unchecked_record(results, run)
        if record and record.get("series_source_sha256") != _sha256(file):
            changed[file].append(run.id)
    return [
        f"warning: {file} has changed since these runs were trained with it, and their records "
        f"are kept: {', '.join(runs)}. To train them again: rm -r {_folders(results, runs)}"
        for file, runs in changed.items()
    ]


def source_of(module: str) -> Path | None:
    """The file of a module that a command would import, found without importing anything."""
    places = [os.getcwd(), *sys.path]
    for part in module.split("."):
        spec = PathFinder.find_spec(part, places)
        if spec is None or spec.origin is None:
            return None
        file, places = Path(spec.origin), list(spec.submodule_search_locations or ())
    return file


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _folders(results: Path, run_ids: list[str]) -> str:
    return " ".join(dict.fromkeys(str(run_link(results, run_id).parent) for run_id in run_ids))
