"""The screen of `polyrepro status`: what is running, what failed, when it will be done."""

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from polyrepro.errors import PolyreproError
from polyrepro.files import run_link
from polyrepro.options import command
from polyrepro.plan import Plan
from polyrepro.running.status import STATES, RunStatus, StatusReader, seconds_left
from polyrepro.running.status_lists import STYLES, Running, duration, metric, position, reasons
from polyrepro.running.step_failures import step_failures

WIDTH = 12
"""Of a bar, in characters; with the longest name of a study it fits on 80 columns."""

WIDE = 10_000
"""Characters on a line that nobody looks at."""


class UnknownRunError(PolyreproError):
    """A run that the configuration does not have."""


def show_status(plan: Plan, run_ids: list[str], watch: float | None) -> None:
    """Print the screen, or keep it up to date until Ctrl-C.

    Args:
        run_ids: these runs in detail instead of the whole.
        watch: seconds between two readings; None prints once.

    Raises:
        UnknownRunError: for a run that the configuration does not have.
    """
    # What reads a pipe wants whole paths, not lines of 80 characters.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
    reader, console = StatusReader(plan), Console(highlight=False, width=width)

    def screen() -> RenderableType:
        runs = reader.read()
        return details(plan, runs, run_ids) if run_ids else overview(plan, runs)

    if watch is None:
        console.print(screen(), crop=False)
        return
    try:
        if not console.is_terminal:
            while True:  # one below the other
                console.print(screen(), Text())
                time.sleep(watch)
        with Live(screen(), console=console, auto_refresh=False, screen=True) as live:
            while True:
                time.sleep(watch)
                live.update(screen(), refresh=True)
    except KeyboardInterrupt:
        if console.is_terminal:
            console.print(screen())


def overview(plan: Plan, runs: dict[str, RunStatus]) -> RenderableType:
    """Runs per study and state, the running ones, what failed and where its log is."""
    parts: list[RenderableType] = [_studies(plan, runs), _time_left(runs)]
    # Failures first: a terminal that is too low for all shows the beginning.
    for state in ("failed", "stopped"):
        chosen = [status for status in runs.values() if status.state == state]
        if chosen:
            found = [(s.run.id, s.details["message"], s.details["log"]) for s in chosen]
            parts += [Text(), reasons(state, STYLES[state], found)]
    if failures := step_failures(Path(plan.settings.results)):
        parts += [Text(), reasons("failed besides trainings", STYLES["failed"], failures)]
    running = [status for status in runs.values() if status.state == "running"]
    if running:
        parts += [Text(), Running(running)]
    return Group(*parts)


def details(plan: Plan, runs: dict[str, RunStatus], run_ids: list[str]) -> RenderableType:
    """Everything that is known of some runs."""
    parts: list[RenderableType] = []
    results = Path(plan.settings.results)
    for run_id in run_ids:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        if run_id not in runs:
            raise UnknownRunError(
                f"the configuration has no run {run_id!r}; a run id is recipe/variant/seedN, for "
                f"example {next(iter(runs))}"
            )
        status = runs[run_id]
        found = status.details
        table.add_row(run_id, _coloured(status.state))
        table.add_row("loss", status.run.label)
        folder = run_link(results, run_id)
        rows = {
            "steps": position(status) if found.get("steps") else None,
            "last metric": metric(found),
            "time left": duration(status.seconds_left),
            "message": found.get("message"),
            "host": found.get("host"),
            "Slurm job": found.get("slurm_job"),
            "log": found.get("log") or _log_of_job(plan, run_id),
            "folder": str(folder.resolve()) if folder.exists() else None,
        }
        for name, value in rows.items():
            if value:
                table.add_row(name, str(value))
        # On one line however long, because broken into several it could not be pasted.
        alone = f"to train it alone: {command(plan.settings, 'train', run_id)}\n"
        parts += [table, Text(alone, no_wrap=True, overflow="ignore")]
    return Group(*parts)


def _studies(plan: Plan, runs: dict[str, RunStatus]) -> Table:
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("study", footer="all, each once", no_wrap=True)
    table.add_column("", footer=_bar(runs.values()))
    for state in STATES:
        total = sum(status.state == state for status in runs.values())
        footer = _count(state, total)
        table.add_column(state, justify="right", no_wrap=True, min_width=len(state), footer=footer)
    for study in plan.studies:
        chosen = [runs[run.id] for run in plan.runs_of(study)]
        counts = [sum(status.state == state for status in chosen) for state in STATES]
        cells = [_count(state, count) for state, count in zip(STATES, counts, strict=True)]
        table.add_row(study.name, _bar(chosen), *cells)
    return table


def _bar(chosen: Iterable[RunStatus]) -> Text:
    """How much has finished; the bar is full only when all have."""
    finished = [status.state == "finished" for status in chosen]
    full = WIDTH * sum(finished) // max(len(finished), 1)
    return Text("█" * full, style=STYLES["finished"]) + Text("░" * (WIDTH - full), style="dim")


def _count(state: str, count: int) -> Text:
    return Text(str(count), style=STYLES.get(state, "") if count else "dim")


def _time_left(runs: dict[str, RunStatus]) -> Text:
    states = [status.state for status in runs.values()]
    if not runs:
        return Text("no study has a finished run of its reference")
    if set(states) <= {"finished"}:
        return Text("everything has been trained", style="green")
    running = states.count("running")
    if not running:
        return Text("no training is running, or none has come as far as its first run")
    left = seconds_left(runs)
    if left is None:
        return Text(
            f"{running} running; the time left is known once a run of each recipe has finished"
        )
    ends = time.strftime("%a %H:%M", time.localtime(time.time() + left))
    return Text(f"{running} running; about {duration(left)} left at this rate (until {ends})")


def _coloured(state: str) -> Text:
    return Text(state, style=STYLES.get(state, "dim"))


def _log_of_job(plan: Plan, run_id: str) -> str | None:
    log = Path(plan.settings.results) / "logs/train" / f"{plan.batch_of(run_id)}.log"
    return str(log) if log.exists() else None
