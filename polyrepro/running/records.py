"""Run records: one JSON per finished run, in a folder that no Snakemake rule declares.

Snakemake deletes the declared outputs of failed and re-run jobs; what cost GPU-hours must not be
among them. Each training has a folder of its own, `runs/<recipe>/<variant>/seed<N>.<key>`, where
the key comes from the identity of the run and the checksums of its data. `seed<N>` is a link to the
one that was asked for last, so that a trial with other settings never overwrites a result.
"""

import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from polyrepro.errors import PolyreproError
from polyrepro.files import PREDICTIONS_FILE, RECORD_FILE, record_path, run_link, write_json
from polyrepro.runs import InitialWeights, Run
from polyrepro.settings import Settings, command

if TYPE_CHECKING:
    from polyrepro.running.execution import Execution

SCHEMA = 3
KEY_DIGITS = 12


class RunInUseError(PolyreproError):
    """Two commands cannot train one run."""


class RecordError(PolyreproError):
    """A record that is missing, damaged, or of another training than the one asked for."""


class SelectionError(PolyreproError):
    """The result of a selection that cannot be used."""


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


def data_checksums(citation: dict) -> dict[str, str]:
    """What of a data set's citation must be the same for a record to be used again.

    Large data sets have one checksum, of the index of all their images, and one of the cache if
    they are read from it; small ones have one per split.
    """
    if "index_sha256" in citation:
        cached = {"cache": citation["cache"]["tables_sha256"]} if "cache" in citation else {}
        return {"index": citation["index_sha256"]} | cached
    return {
        f"{split}.{key}": value
        for split, entry in citation["splits"].items()
        for key, value in entry.items()
        if key.endswith("sha256")
    }


def checkpoint_identity(run: Run, citation: dict) -> str:
    """Hash of the run and of its data: checkpoints and records belong to both."""
    parts = [run.identity(), citation["dataset"], data_checksums(citation)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def run_folder(results: Path, run: Run, citation: dict) -> Path:
    """The folder of this training: the link's name with a key after it."""
    link = run_link(results, run.id)
    return link.with_name(f"{link.name}.{checkpoint_identity(run, citation)[:KEY_DIGITS]}")


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
            f"{path} was made with another recipe or loss than the configuration asks for; {again}"
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

    Thousands are looked at for a plan or a status, where a check would take most of the time.
    """
    try:
        record = json.loads(record_path(results, run.id).read_bytes())
        return record if describes(record, run) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_selection(path: Path) -> dict:
    """What a selection has chosen.

    Raises:
        SelectionError: if the file is none that `polyrepro select` writes.
    """
    try:
        selection = json.loads(path.read_bytes())
        coefficients = [float(value) for value in selection["epsilon"]]
        if not all(map(math.isfinite, coefficients)) or not isinstance(selection["winner"], str):
            raise ValueError("no finite coefficients or no winner")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SelectionError(
            f"{path} is not the result of a selection ({error}); remove it to choose again"
        ) from None
    return selection


@contextmanager
def locked(results: Path, run: Run, citation: dict, execution: "Execution") -> Iterator[Path]:
    """Hold the folder of a training; the lock goes when the process that holds it ends.

    Raises:
        RunInUseError: if another command trains this run.
    """
    folder = run_folder(results, run, citation)
    folder.mkdir(parents=True, exist_ok=True)
    if not execution.processes.first:
        yield folder
        return
    try:
        with FileLock(folder / "lock", timeout=0):
            make_current(results, run, citation)
            yield folder
    except Timeout:
        raise RunInUseError(
            f"{run.id} is being trained by another process in {folder}; wait for it, or "
            "choose another results folder"
        ) from None


def make_current(results: Path, run: Run, citation: dict) -> None:
    """Have the run's link lead to this training; says on standard error if the data have changed.

    A folder in the link's place, which older versions made, is kept under another name.
    """
    link, folder = run_link(results, run.id), run_folder(results, run, citation)
    if link.is_symlink() and os.readlink(link) == folder.name:
        return
    before = link / RECORD_FILE
    if before.exists() and not (folder / RECORD_FILE).exists():
        _say_what_changed(run, citation, before)
    if link.is_dir() and not link.is_symlink():
        os.rename(link, link.with_name(f"{link.name}.before_{os.stat(link).st_mtime_ns}"))
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    os.symlink(folder.name, temporary)
    os.replace(temporary, link)


def _say_what_changed(run: Run, citation: dict, before: Path) -> None:
    try:
        record = load_record(before)
    except RecordError:
        return
    if record["identity"] == run.identity():
        message = "its data have changed since its record was made"
    else:
        message = "there is a record with another recipe or loss"
    print(
        f"{run.id}: {message}; training again, and keeping {before.resolve().parent}",
        file=sys.stderr,
        flush=True,
    )


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
