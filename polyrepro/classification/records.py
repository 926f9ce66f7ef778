"""Run records: one JSON per finished run, in a folder that no Snakemake rule declares.

Snakemake deletes the declared outputs of failed and re-run jobs; what cost GPU-hours must not be
among them. A record is reused if its identity (recipe, loss, seed) is the run's.
"""

import json
from pathlib import Path

import torch

from polyrepro.classification.environment import describe_environment, device_name
from polyrepro.classification.loop import train
from polyrepro.classification.runs import Run
from polyrepro.data import ImageArrays
from polyrepro.files import record_path, write_json

SCHEMA = 1


def finished_record(results: Path, run: Run) -> dict | None:
    """The record of exactly this run if there is one, else None."""
    try:
        record = json.loads(record_path(results, run.id).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return record if record.get("identity") == run.identity() else None


def train_and_record(results: Path, run: Run, data: ImageArrays, device: torch.device) -> dict:
    """Train a run and write its record, which appears only when the run has finished."""
    history = train(run, data, device)
    record = {
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
        "data": data.manifest(),
        "history": history,
    }
    write_json(record_path(results, run.id), record)
    return record
