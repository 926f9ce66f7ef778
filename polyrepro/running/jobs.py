"""A job: several runs in one process, because importing torch costs as much as a small run."""

import json
import shutil
import sys
import time
from importlib import import_module
from pathlib import Path

from polyrepro.data import open_dataset
from polyrepro.files import record_path, require_writable, selection_path, write_json
from polyrepro.plan import parse_run_id, pretraining_run
from polyrepro.running.execution import Execution
from polyrepro.running.records import checkpoint_identity, finished_record, locked, write_record
from polyrepro.runs import WEIGHTS_FILE, InitialWeights, Run
from polyrepro.settings import Overrides

TRAINERS = {
    "classification": ("polyrepro.classification.training", "top1"),
    "detection": ("polyrepro.detection.training", "box_ar100"),
}
"""Kind of recipe to the module whose `train_run` trains it, and the metric that is printed."""


def train_batch(
    results: Path,
    run_ids: list[str],
    overrides: Overrides,
    execution: Execution,
    *,
    weights: dict[str, InitialWeights] | None = None,
    receipt: Path | None = None,
) -> None:
    """Train the runs that have no finished record, one after the other.

    SIGTERM and SIGUSR1 end the job after the current step, with a checkpoint to go on from.

    Args:
        results: folder below which records are written, each as soon as its run has finished.
        weights: pre-training recipe to weights that stand in for its runs.
        receipt: written last, so that it exists only if every run has a record.
    """
    require_writable(results)
    runs = [parse_run_id(run_id, overrides) for run_id in run_ids]
    datasets = {name: open_dataset(name, results) for name in {run.recipe.dataset for run in runs}}
    identities = {}
    for number, planned in enumerate(runs, start=1):
        run = resolve_weights(resolve_prefix(planned, results), results, overrides, weights or {})
        started = time.perf_counter()
        known = execution.processes.from_first(finished_record(results, run))
        record = known or train_and_record(results, run, datasets[run.recipe.dataset], execution)
        identities[run.id] = record["identity"]
        if execution.processes.first:
            seconds = None if known else time.perf_counter() - started
            print(
                f"[{number}/{len(runs)}] {_told(run, record, seconds)}", file=sys.stderr, flush=True
            )
    if receipt is not None and execution.processes.first:
        write_json(receipt, identities)


def train_and_record(results: Path, run: Run, data, execution: Execution) -> dict:
    """Train a run, from its last checkpoint on, and write its record when it has finished.

    Raises:
        RunInUseError: if another command trains this run.
    """
    trainer = import_module(TRAINERS[run.recipe.kind][0])
    with locked(results, run, execution) as folder:
        identity = checkpoint_identity(run, data.citation)
        outcome = trainer.train_run(run, data, folder, identity, execution)
        record = write_record(results, run, data.citation, outcome, execution)
        if execution.processes.first:
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return record


def _told(run: Run, record: dict, seconds: float | None) -> str:
    metric = TRAINERS[run.recipe.kind][1]
    value = next(r[metric] for r in reversed(record["history"]) if r["split"] == "test")
    how = "already finished" if seconds is None else f"trained in {seconds:.1f} s"
    return f"{run.id}: {how}, test {metric} {value:.2f} %"


def resolve_prefix(run: Run, results: Path) -> Run:
    """Fill in the coefficients that the selection before this run has chosen.

    Raises:
        FileNotFoundError: if the selection has not been made.
    """
    if run.variant.after is None:
        return run
    path = selection_path(results, run.variant.after)
    if not path.exists():
        raise FileNotFoundError(
            f"{run.id} needs the coefficients chosen by {run.variant.after}, but {path} does not "
            f"exist; make it first: polyrepro select {run.variant.after} --results {results} ..."
        )
    return run.model_copy(update={"prefix": tuple(json.loads(path.read_text())["epsilon"])})


def resolve_weights(
    run: Run, results: Path, overrides: Overrides, weights: dict[str, InitialWeights]
) -> Run:
    """Fill in the weights that the run starts from: given ones, or those of its pre-training.

    Raises:
        FileNotFoundError: if the pre-training has not finished.
    """
    if run.recipe.pretraining is None:
        return run
    given = weights.get(run.recipe.pretraining)
    if given is None:
        before = pretraining_run(run, overrides)
        record = finished_record(results, resolve_prefix(before, results))
        path = record_path(results, before.id).parent / WEIGHTS_FILE
        if record is None or record["weights"] is None or not path.exists():
            raise FileNotFoundError(
                f"{run.id} starts from the weights of {before.id}, which has not finished in "
                f"{results}; train it first: polyrepro train --results {results} {before.id}, or "
                f"give other weights: --weights {run.recipe.pretraining} PATH SHA256"
            )
        given = InitialWeights(path=str(path), sha256=record["weights"])
    return run.model_copy(update={"initial_weights": given})
