"""A job: several runs in one process, because importing torch costs as much as a small run."""

import json
import sys
import time
from pathlib import Path

import torch

from polyrepro.classification.records import finished_record, train_and_record
from polyrepro.classification.runs import Run
from polyrepro.data import load
from polyrepro.files import require_writable, selection_path, write_json
from polyrepro.interruption import Interruption
from polyrepro.plan import parse_run_id
from polyrepro.settings import Overrides


def train_batch(
    results: Path,
    run_ids: list[str],
    overrides: Overrides,
    *,
    device: str | None = None,
    threads: int = 1,
    receipt: Path | None = None,
) -> None:
    """Train the runs that have no finished record, one after the other.

    SIGTERM and SIGUSR1 end the job after the current step, with a checkpoint to go on from.

    Args:
        results: folder below which records are written, each as soon as its run has finished.
        device: a torch device; by default the GPU if there is one.
        threads: CPU threads of torch.
        receipt: written last, so that it exists only if every run has a record.
    """
    require_writable(results)
    torch.set_num_threads(threads)
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    runs = [resolve_prefix(parse_run_id(run_id, overrides), results) for run_id in run_ids]
    datasets = {name: load(name) for name in {run.recipe.dataset for run in runs}}
    identities = {}
    with Interruption() as interruption:
        for number, run in enumerate(runs, start=1):
            started = time.perf_counter()
            data = datasets[run.recipe.dataset]
            known = finished_record(results, run)
            record = known or train_and_record(results, run, data, chosen, interruption)
            identities[run.id] = record["identity"]
            seconds = time.perf_counter() - started
            how = "already finished" if known else f"trained in {seconds:.1f} s"
            top1 = next(r["top1"] for r in reversed(record["history"]) if r["split"] == "test")
            print(
                f"[{number}/{len(runs)}] {run.id}: {how}, test top-1 {top1:.2f} %",
                file=sys.stderr,
                flush=True,
            )
    if receipt is not None:
        write_json(receipt, identities)


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
