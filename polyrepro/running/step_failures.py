"""Steps of the workflow other than trainings that failed: data, caches, tables, figures, report.

They leave nothing but a log, which begins anew whenever a step does.
"""

from pathlib import Path
from typing import NamedTuple

PREFIX = "polyrepro: error: "
"""Of the line in which a command says why it ends."""


class StepFailure(NamedTuple):
    """A step that failed, such as `verify_data/coco`, and the first line of why."""

    step: str
    message: str
    log: Path


def step_failures(results: Path) -> list[StepFailure]:
    """What the logs below a results folder say since Snakemake was last started there.

    Trainings have progress files instead.
    """
    logs, settings = results / "logs", results / "settings.json"
    # Written at each start. A step that failed before it may be none of this configuration's.
    started = settings.stat().st_mtime_ns if settings.exists() else 0
    found = []
    for log in sorted(logs.rglob("*.log")):
        step = log.relative_to(logs).with_suffix("")
        if step.parts[0] == "train" or log.stat().st_mtime_ns < started:
            continue
        message = _message(log)
        if message is not None:
            found.append(StepFailure(step.as_posix(), message, log.resolve()))
    return found


def _message(log: Path) -> str | None:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if line.startswith(PREFIX):
            return line.removeprefix(PREFIX)
    unexpected = any(line.startswith("Traceback (most recent call last)") for line in lines)
    return lines[-1] if unexpected else None
