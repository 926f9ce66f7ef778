"""Run records: one JSON per finished run, in a folder that no Snakemake rule declares.

Snakemake deletes the declared outputs of failed and re-run jobs; what cost GPU-hours must not be
among them. A record is reused if its identity (recipe, loss, seed) is the run's.
"""

import hashlib
import json
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from polyrepro.classification.checkpoints import Checkpoints
from polyrepro.classification.environment import describe_environment, device_name
from polyrepro.classification.loop import train
from polyrepro.classification.runs import Run
from polyrepro.data import ImageArrays
from polyrepro.errors import PolyreproError
from polyrepro.files import record_path, write_json
from polyrepro.interruption import Interruption

SCHEMA = 1


class RunInUseError(PolyreproError):
    """Two processes cannot train one run."""


def finished_record(results: Path, run: Run) -> dict | None:
    """The record of exactly this run if there is one, else None."""
    try:
        record = json.loads(record_path(results, run.id).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return record if record.get("identity") == run.identity() else None


def train_and_record(
    results: Path,
    run: Run,
    data: ImageArrays,
    device: torch.device,
    interruption: Interruption | None = None,
) -> dict:
    """Train a run, from its last checkpoint on, and write its record when it has finished.

    Raises:
        RunInUseError: if another process trains this run; the lock goes when that process ends.
    """
    path = record_path(results, run.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    manifest = data.manifest
    # A checkpoint also belongs to its images: their checksums are part of its identity.
    identity = hashlib.sha256(json.dumps([run.identity(), manifest]).encode()).hexdigest()
    checkpoints = Checkpoints(path.parent / "checkpoints", identity)
    try:
        with FileLock(path.parent / "lock", timeout=0):
            history = train(run, data, device, checkpoints, interruption)
            record = _record(run, device, manifest, history)
            write_json(path, record)
            checkpoints.clear()
    except Timeout:
        raise RunInUseError(
            f"{run.id} is being trained by another process in {path.parent}; wait for it, or "
            "choose another results folder"
        ) from None
    return record


def _record(run: Run, device: torch.device, manifest: dict, history: list[dict]) -> dict:
    return {
        "schema": SCHEMA,
        "run": run.id,
        "identity": run.identity(),
        "recipe": run.recipe.model_dump(),
        "variant": run.variant.model_dump(),
        "loss": run.loss.model_dump(),
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "device": device_name(device),
        "environment": describe_environment(),
        "data": manifest,
        "history": history,
    }
