"""What the runs of a configuration are doing, read from records and progress files."""

import json
import os
import socket
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from polyrepro.files import progress_path, record_path
from polyrepro.plan import Plan
from polyrepro.running.records import unchecked_record
from polyrepro.runs import Run

STATES = ("finished", "running", "stopped", "failed", "waiting")
"""A stopped run has a checkpoint and goes on when its command is run again."""

SHOWN = 12
"""Of running and of failed runs at most so many are listed."""

LOST_SECONDS = 600
"""A training that has not stated its progress for so long counts as failed."""


@dataclass(frozen=True)
class RunStatus:
    """One run.

    Attributes:
        state: one of `STATES`.
        details: of a run that began, what its progress file says; see
            `polyrepro.running.progress`.
        seconds: of a finished run, how long its steps took.
    """

    run: Run
    state: str
    details: dict = field(default_factory=dict)
    seconds: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """Of a running training at its present speed, evaluation not included; None if unknown."""
        speed = self.details.get("steps_per_second")
        if self.state != "running" or not speed:
            return None
        return (self.details["steps"] - self.details["position"]) / speed


class StatusReader:
    """Reads the state of every run of a plan, again and again.

    Records are read once, because they never change, and are not checked: tables do that.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._finished: dict[tuple[str, int], RunStatus] = {}

    def read(self) -> dict[str, RunStatus]:
        """The runs by id, in the order of the plan."""
        return {run.id: self._status(run) for run in self._plan.runs}

    def _status(self, run: Run) -> RunStatus:
        results = Path(self._plan.settings.results)
        try:
            written = record_path(results, run.id).stat().st_mtime_ns
        except OSError:
            return _unfinished(run, progress_path(results, run.id))
        known = self._finished.get((run.id, written))
        if known is None:
            record = unchecked_record(results, run)
            if record is None:  # damaged, or of another recipe or loss: its job trains it again
                return _unfinished(run, progress_path(results, run.id))
            seconds = sum(row.get("seconds", 0.0) for row in record["history"])
            known = self._finished[run.id, written] = RunStatus(run, "finished", seconds=seconds)
        return known


def seconds_left(runs: dict[str, RunStatus]) -> float | None:
    """Until all runs have finished, if as many go on at the same time as now; None if unknown.

    A waiting run is expected to take as long as the finished ones of its recipe on average; so is
    a running one whose speed is unknown, because it is shorter than the time between two progress
    files.
    """
    durations: dict[str, list[float]] = {}
    for status in runs.values():
        if status.seconds is not None:
            durations.setdefault(status.run.recipe.name, []).append(status.seconds)
    running = [status for status in runs.values() if status.state == "running"]
    left = 0.0
    for status in runs.values():
        if status.state != "finished":
            known = durations.get(status.run.recipe.name)
            usual = statistics.fmean(known) if known else None
            expected = usual if status.seconds_left is None else status.seconds_left
            if expected is None:
                return None
            left += expected
    return left / len(running) if running else None


def _unfinished(run: Run, path: Path) -> RunStatus:
    try:
        details = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return RunStatus(run, "waiting")
    # A job that failed before its first run knows no identities. Prefixes and initial weights,
    # which are found later, are part of an identity; for such runs any progress counts.
    fixed = run.variant.after is None and run.recipe.pretraining is None
    if fixed and details["identity"] not in (None, run.identity()):
        return RunStatus(run, "waiting")
    if details["state"] != "running":
        return RunStatus(run, details["state"], details)
    message = _lost(details)
    if message is None:
        return RunStatus(run, "running", details)
    return RunStatus(run, "failed", details | {"message": message})


def _lost(details: dict) -> str | None:
    """Why a run that has not said how it ended is not running any more; None if it may be."""
    host, silent = details["host"], time.time() - details["time"]
    if host == socket.gethostname() and not _alive(details["process"]):
        return f"its process on {host} ended and could not say why: killed, or the disk is full"
    if silent > LOST_SECONDS:
        return f"no word from {host} for {silent / 60:.0f} minutes: its process was killed or hangs"
    return None


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
