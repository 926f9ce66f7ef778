"""Run records: one JSON per finished run, in the run's folder."""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyrepro.errors import PolyreproError
from polyrepro.files import PREDICTIONS_FILE, RECORD_FILE, record_path, write_json
from polyrepro.options import command
from polyrepro.running.run_folders import run_folder
from polyrepro.runs import InitialWeights, Run
from polyrepro.settings import Settings

if TYPE_CHECKING:
    from polyrepro.running.execution import Execution

SCHEMA = 3


class RecordError(PolyreproError):
    """A record that is missing, damaged, or of another training than the requested one."""


@dataclass(frozen=True)
class Outcome:
    """What a finished training hands over.

    Attributes:
        history: one row per split and time: `epoch`, `split` and metrics.
        weights: sha256 of `weights.safetensors` in the run's folder, if they were kept.
        predictions: sha256 of `predictions.npz` in the run's folder.
        diverged: how a run that may do so has diverged, in words; None for any other.
    """

    history: list[dict]
    weights: str | None = None
    predictions: str | None = None
    diverged: str | None = None


def finished_record(results: Path, run: Run, citation: dict) -> dict | None:
    """The record of exactly this run on exactly these data; None if it has not finished.

    A run whose predictions were removed counts as not finished; standard error names it.

    Raises:
        RecordError: if there is a file that cannot be trusted.
    """
    path = run_folder(results, run, citation) / RECORD_FILE
    record = load_record(path) if path.exists() else None
    if record is None or has_predictions(path.parent, record):
        return record
    print(
        f"{run.id}: its predictions are gone ({path.parent / PREDICTIONS_FILE}); training again",
        file=sys.stderr,
        flush=True,
    )
    return None


def has_predictions(folder: Path, record: dict) -> bool:
    """Whether the predictions of which a record speaks are beside it."""
    return record.get("predictions") is None or (folder / PREDICTIONS_FILE).exists()


def load_record(path: Path) -> dict:
    """Read a record and check that it is whole.

    Raises:
        RecordError: if it cannot be read, is no record, or disagrees with its own checksum.
    """
    remedy = "restore it from a copy, or remove it to train the run again"
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordError(f"cannot read the record {path}: {error}; {remedy}") from None
    if not isinstance(record, dict) or not record.get("history"):
        raise RecordError(f"{path} is not the record of a run; {remedy}")
    if record.get("sha256") != _checksum(record):
        raise RecordError(
            f"{path} disagrees with its own checksum: it was changed after it was written; {remedy}"
        )
    return record


def read_record(settings: Settings, run: Run) -> dict:
    """The record of a finished run as a table reads it, without opening its data.

    Raises:
        RecordError: if there is none, it is damaged, or of another recipe, loss or seed.
    """
    path = record_path(Path(settings.results), run.id)
    again = f"train it again: {command(settings, 'train', run.id)}"
    if not path.exists():
        raise RecordError(f"{run.id} has no record ({path}); {again}")
    record = load_record(path)
    if not describes(record, run):
        raise RecordError(
            f"{path} was made with another recipe or loss than the configuration has; {again}"
        )
    return record


def describes(record: dict, run: Run) -> bool:
    """Whether a record is that of this recipe, loss and seed, on whatever data.

    Coefficients that a selection chose and initial weights are taken from the record.
    """
    weights = record["initial_weights"]
    found = {
        "prefix": tuple(record["prefix"]),
        "initial_weights": weights and InitialWeights(sha256=weights, path="weights"),
    }
    return record["identity"] == run.model_copy(update=found).identity()


def unchecked_record(results: Path, run: Run) -> dict | None:
    """The record of this recipe, loss and seed, if there is one; whether it is whole is not read.

    A plan or a status reads thousands, and checking them would take most of its time.
    """
    try:
        record = json.loads(record_path(results, run.id).read_bytes())
        return record if describes(record, run) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(
    results: Path, run: Run, citation: dict, outcome: Outcome, execution: "Execution"
) -> dict:
    """Write and return the record of a finished run."""
    from polyrepro.running.environment import (
        describe_environment,
        device_name,
        series_source_checksum,
    )

    record = {
        "schema": SCHEMA,
        "run": run.id,
        "identity": run.identity(),
        "label": run.label,
        "recipe": run.recipe.model_dump(mode="json"),
        "variant": run.variant.model_dump(mode="json"),
        "loss": run.loss.model_dump(mode="json"),
        "prefix": list(run.prefix),
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "initial_weights": run.initial_weights and run.initial_weights.sha256,
        "weights": outcome.weights,
        "predictions": outcome.predictions,
        "diverged": outcome.diverged,
        "device": device_name(execution.processes.device),
        "processes": execution.processes.count,
        "deterministic": execution.deterministic,
        "environment": describe_environment(),
        "series_source_sha256": series_source_checksum(run.loss.series),
        "data": citation,
        "history": outcome.history,
    }
    if execution.notes:
        record["notes"] = execution.notes
    record["sha256"] = _checksum(record)
    if execution.processes.first:
        write_json(run_folder(results, run, citation) / RECORD_FILE, record)
    return record


def _checksum(record: dict) -> str:
    content = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
