"""The screen of `polyrepro status`: what is running, what failed, when it will be done."""

import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from polyrepro.errors import PolyreproError
from polyrepro.files import run_link
from polyrepro.options import command
from polyrepro.plan import Plan
from polyrepro.running.status import SHOWN, STATES, RunStatus, StatusReader, seconds_left
from polyrepro.running.step_failures import StepFailure, step_failures

WIDTH = 12
"""Of a bar, in characters; with the longest name of a study it fits on 80 columns."""

STYLES = {"finished": "green", "running": "cyan", "stopped": "yellow", "failed": "red"}


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
    reader, console = StatusReader(plan), Console(highlight=False)

    def screen() -> RenderableType:
        runs = reader.read()
        return details(plan, runs, run_ids) if run_ids else overview(plan, runs)

    if watch is None:
        console.print(screen(), crop=False)
        return
    try:
        with Live(
            screen(), console=console, auto_refresh=False, screen=console.is_terminal
        ) as live:
            while True:
                time.sleep(watch)
                live.update(screen(), refresh=True)
    except KeyboardInterrupt:
        console.print(screen())


def overview(plan: Plan, runs: dict[str, RunStatus]) -> RenderableType:
    """Runs per study and state, the running ones, what failed and where its log is."""
    parts: list[RenderableType] = [_studies(plan, runs), _time_left(runs)]
    running = [status for status in runs.values() if status.state == "running"]
    if running:
        parts += [Text(), _running(running)]
    for state in ("failed", "stopped"):
        chosen = [status for status in runs.values() if status.state == state]
        if chosen:
            parts += [Text(), _troubles(state, chosen)]
    if failures := step_failures(Path(plan.settings.results)):
        parts += [Text(), _failed_steps(failures)]
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
            "steps": _position(status) if found.get("steps") else None,
            "last metric": _metric(found),
            "time left": _duration(status.seconds_left),
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
        table.add_column(state, justify="right", footer=_count(state, total))
    for study in plan.studies:
        chosen = [runs[run.id] for run in plan.runs_of(study)]
        counts = [sum(status.state == state for status in chosen) for state in STATES]
        cells = [_count(state, count) for state, count in zip(STATES, counts, strict=True)]
        table.add_row(study.name, _bar(chosen), *cells)
    return table


def _bar(chosen: Iterable[RunStatus]) -> Text:
    """How much has finished; the bar is full only when all have."""
    finished = [status.state == "finished" for status in chosen]
    full = WIDTH * sum(finished) // len(finished)
    return Text("█" * full, style=STYLES["finished"]) + Text("░" * (WIDTH - full), style="dim")


def _count(state: str, count: int) -> Text:
    return Text(str(count), style=STYLES.get(state, "") if count else "dim")


def _time_left(runs: dict[str, RunStatus]) -> Text:
    states = [status.state for status in runs.values()]
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
    return Text(f"{running} running; about {_duration(left)} left at this rate (until {ends})")


def _running(running: list[RunStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(f"running ({len(running)})", no_wrap=True)
    for name in ("steps", "steps/s", "left", "last metric", "on"):
        table.add_column(name, justify="right" if name in ("steps/s", "left") else "left")
    # Those first that will take longest.
    ordered = sorted(running, key=lambda status: -(status.seconds_left or 0))
    for status in ordered[:SHOWN]:
        speed = status.details.get("steps_per_second")
        left = _duration(status.seconds_left)
        where = status.details["host"]
        table.add_row(
            Text(status.run.id, style="cyan"),
            _position(status),
            f"{speed:.3g}" if speed else "",
            left or "",
            _metric(status.details) or "",
            where,
        )
    _add_rest(table, ordered)
    return table


def _troubles(state: str, chosen: list[RunStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(f"{state} ({len(chosen)})", no_wrap=True, style=STYLES[state])
    table.add_column("why, and where to read more", overflow="fold")
    for status in chosen[:SHOWN]:
        found = status.details
        log = f"\n[log] {found['log']}" if found["log"] else ""
        table.add_row(Text(status.run.id), Text(f"{found['message']}{log}"))
    _add_rest(table, chosen)
    return table


def _failed_steps(failures: list[StepFailure]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("failed besides trainings", no_wrap=True, style=STYLES["failed"])
    table.add_column("why, and where to read more", overflow="fold")
    for failure in failures[:SHOWN]:
        table.add_row(Text(failure.step), Text(f"{failure.message}\n[log] {failure.log}"))
    _add_rest(table, failures)
    return table


def _add_rest(table: Table, listed: list) -> None:
    if len(listed) > SHOWN:
        table.add_row(Text(f"and {len(listed) - SHOWN} more"))


def _position(status: RunStatus) -> str:
    found = status.details
    if "steps" not in found:
        return "starting"
    share = found["position"] / found["steps"]
    doing = "" if found["activity"] == "training" else f", {found['activity']}"
    return f"{found['position']:,}/{found['steps']:,} ({share:.0%}){doing}"


def _metric(found: dict) -> str | None:
    metric = found.get("metric")
    return f"{metric['split']} {metric['name']} {metric['value']:.4g}" if metric else None


def _coloured(state: str) -> Text:
    return Text(state, style=STYLES.get(state, "dim"))


def _duration(seconds: float | None) -> str | None:
    return None if seconds is None else str(timedelta(seconds=round(seconds)))


def _log_of_job(plan: Plan, run_id: str) -> str | None:
    log = Path(plan.settings.results) / "logs/train" / f"{plan.batch_of(run_id)}.log"
    return str(log) if log.exists() else None
