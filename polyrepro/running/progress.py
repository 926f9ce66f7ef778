"""Where a training is: a small file per run that `polyrepro status` reads, from any node.

The files lie below `progress/` in the results folder. A run has one from its beginning until its
record is written; one that fails or is interrupted leaves it behind, with the reason.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from polyrepro.files import progress_path, record_path, write_json
from polyrepro.running.interruption import InterruptedTrainingError
from polyrepro.runs import Run

if TYPE_CHECKING:
    from polyrepro.running.curves import Curves

INTERVAL = 10.0
"""Seconds between two writes at least."""

METRICS = ("top1", "box_ar100", "ap_l1", "ap40_moderate", "foreground_ap", "loss")
"""The last value of the first of these that a row of the history has is shown."""


class Progress:
    """Inside `with`, keeps the progress file of one training; rank 0 alone has one.

    Args:
        results: the results folder.
        curves: gets every new row of the history, too.
    """

    def __init__(self, results: Path, run: Run, curves: "Curves | None" = None) -> None:
        self._path, self._curves = progress_path(results, run.id), curves
        self._epochs = run.recipe.epochs
        self._entry = _origin(run.id) | {"identity": run.identity(), "state": "running"}
        self._written = 0.0
        self._began: tuple[float, int] | None = None
        self._rows = 0

    def __enter__(self) -> "Progress":
        # A first step that reads and compiles takes minutes, in which the run is not waiting.
        _write_quietly(self._path, self._entry | {"time": time.time()})
        return self

    def update(
        self,
        position: int,
        steps: int,
        history: list[dict],
        activity: str = "training",
    ) -> None:
        """State where the training is; writes at most every ten seconds.

        Args:
            position: steps done.
            steps: how many there are in all.
            history: all rows so far.
            activity: what is being done.
        """
        now = time.time()
        if self._began is None:
            self._began = now, position
        if self._curves is not None and len(history) != self._rows:
            self._rows = len(history)
            self._curves.write(history, steps / self._epochs)
        if now - self._written < INTERVAL:
            return
        seconds, done = now - self._began[0], position - self._began[1]
        self._entry |= {
            "position": position,
            "steps": steps,
            "steps_per_second": done / seconds if done and seconds else None,
            "activity": activity,
            "metric": _last_metric(history),
        }
        self._write(now)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._curves is not None:
            self._curves.close()
        if error is None:
            with suppress(OSError):  # there is none if it could not be written
                self._path.unlink()
            return
        stopped = isinstance(error, InterruptedTrainingError | KeyboardInterrupt)
        self._entry |= {"state": "stopped" if stopped else "failed", "message": _message(error)}
        self._write(time.time())

    def _write(self, now: float) -> None:
        self._written = now
        _write_quietly(self._path, self._entry | {"time": now})


@contextmanager
def failure_noted(results: Path, run_ids: list[str]) -> Iterator[None]:
    """Note a failure of the job in all of its runs that have no record, unless a run has noted it.

    For what goes wrong before any training begins: no GPU, missing data, a loss that is refused.
    Failures of the last attempt are forgotten.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:  # the process that started this one notes it
        yield
        return
    started = time.time()
    paths = {run_id: progress_path(results, run_id) for run_id in run_ids}
    for path in paths.values():
        if _state(path) == "failed":
            path.unlink()
    try:
        yield
    except InterruptedTrainingError:
        raise
    except Exception as error:
        if not any(_state(path) == "failed" for path in paths.values()):
            for run_id in run_ids:
                if not record_path(results, run_id).exists():
                    _note_failure(results, run_id, error, started)
        raise


@contextmanager
def failure_noted_of(results: Path, run_id: str) -> Iterator[None]:
    """Note a failure in the one run that it concerns, unless its training has noted it.

    For what goes wrong before and after the training of this run: a damaged record, weights that
    are missing. The other runs of the job are waiting, not failed.
    """
    try:
        yield
    except InterruptedTrainingError:
        raise
    except Exception as error:
        if _state(progress_path(results, run_id)) != "failed":
            _note_failure(results, run_id, error, time.time())
        raise


def _note_failure(results: Path, run_id: str, error: Exception, when: float) -> None:
    entry = _origin(run_id) | {"identity": None, "state": "failed"}
    entry |= {"message": _message(error), "time": when}
    _write_quietly(progress_path(results, run_id), entry)


def _origin(run_id: str) -> dict:
    """Which process writes, and where its messages go."""
    log = Path("/dev/stderr").resolve()
    return {
        "run": run_id,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "log": str(log) if log.is_file() else None,
    }


def _message(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _last_metric(history: list[dict]) -> dict | None:
    """The newest value of what a reader wants to see, validation before training."""
    for name in METRICS:
        for row in reversed(history):
            if name in row and (row["split"] != "train" or name == "loss"):
                return {"name": name, "split": row["split"], "value": row[name]}
    return None


def _state(path: Path) -> str | None:
    try:
        return json.loads(path.read_bytes())["state"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_quietly(path: Path, entry: dict) -> None:
    """A training never ends because its progress cannot be written."""
    try:
        write_json(path, entry)
    except (OSError, ValueError) as error:
        print(f"{entry['run']}: cannot write {path}: {error}", file=sys.stderr)
