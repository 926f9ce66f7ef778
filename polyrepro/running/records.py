"""Run records: one JSON per finished run, in a folder that no Snakemake rule declares.

Snakemake deletes the declared outputs of failed and re-run jobs; what cost GPU-hours must not be
among them. A record is reused if its identity (recipe, loss, seed) is the run's.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from polyrepro.errors import PolyreproError
from polyrepro.files import record_path, write_json
from polyrepro.running.environment import describe_environment, device_name
from polyrepro.running.execution import Execution
from polyrepro.runs import Run

SCHEMA = 2


class RunInUseError(PolyreproError):
    """Two commands cannot train one run."""


@dataclass(frozen=True)
class Outcome:
    """What a finished training hands over.

    Attributes:
        history: one row per split and time: `epoch`, `split` and metrics.
        weights: sha256 of `weights.safetensors` in the run's folder, if they were kept.
        predictions: sha256 of a classifier's `predictions.npz` in the run's folder.
    """

    history: list[dict]
    weights: str | None = None
    predictions: str | None = None


def finished_record(results: Path, run: Run) -> dict | None:
    """The record of exactly this run if there is one, else None."""
    try:
        record = json.loads(record_path(results, run.id).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return record if record.get("identity") == run.identity() else None


def checkpoint_identity(run: Run, citation: dict) -> str:
    """Hash of the run and of its data: a checkpoint belongs to its images, too."""
    return hashlib.sha256(json.dumps([run.identity(), citation]).encode()).hexdigest()


@contextmanager
def locked(results: Path, run: Run, execution: Execution) -> Iterator[Path]:
    """Hold the folder of a run; the lock goes when the process that holds it ends.

    Raises:
        RunInUseError: if another command trains this run.
    """
    folder = record_path(results, run.id).parent
    folder.mkdir(parents=True, exist_ok=True)
    if not execution.processes.first:
        yield folder
        return
    try:
        with FileLock(folder / "lock", timeout=0):
            yield folder
    except Timeout:
        raise RunInUseError(
            f"{run.id} is being trained by another process in {folder}; wait for it, or "
            "choose another results folder"
        ) from None


def write_record(
    results: Path, run: Run, citation: dict, outcome: Outcome, execution: Execution
) -> dict:
    """Write and return the record of a finished run."""
    record = {
        "schema": SCHEMA,
        "run": run.id,
        "identity": run.identity(),
        "recipe": run.recipe.model_dump(mode="json"),
        "variant": run.variant.model_dump(mode="json"),
        "loss": run.loss.model_dump(mode="json"),
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "initial_weights": run.initial_weights and run.initial_weights.sha256,
        "weights": outcome.weights,
        "predictions": outcome.predictions,
        "device": device_name(execution.processes.device),
        "processes": execution.processes.count,
        "deterministic": execution.deterministic,
        "environment": describe_environment(),
        "data": citation,
        "history": outcome.history,
    }
    if execution.processes.first:
        write_json(record_path(results, run.id), record)
    return record
