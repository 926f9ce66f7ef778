"""The lists on the screen of `polyrepro status`: what is running, and what has ended badly."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from polyrepro.running.status import SHOWN, RunStatus

STYLES = {"finished": "green", "running": "cyan", "stopped": "yellow", "failed": "red"}


class Running:
    """The running trainings: a table where it fits, otherwise two lines for each."""

    def __init__(self, running: list[RunStatus]) -> None:
        # Those first that will take longest.
        self._ordered = sorted(running, key=lambda status: -(status.seconds_left or 0))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self._table()
        unbounded = options.update(width=sys.maxsize)
        fits = console.measure(table, options=unbounded).maximum <= options.max_width
        yield table if fits else self._lines()
        if len(self._ordered) > SHOWN:
            yield Text(f"and {len(self._ordered) - SHOWN} more")

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column(self._title, no_wrap=True, style=STYLES["running"])
        for name in ("steps", "steps/s", "left", "last metric", "on"):
            table.add_column(name, justify="right" if name in ("steps/s", "left") else "left")
        for status in self._ordered[:SHOWN]:
            table.add_row(
                status.run.id,
                position(status),
                _speed(status) or "",
                duration(status.seconds_left) or "",
                metric(status.details) or "",
                _host(status),
            )
        return table

    def _lines(self) -> Group:
        lines: list[RenderableType] = [Text(self._title, style="bold")]
        for status in self._ordered[:SHOWN]:
            speed, left = _speed(status), duration(status.seconds_left)
            known = (
                position(status),
                speed and f"{speed} steps/s",
                left and f"{left} left",
                metric(status.details),
                f"on {_host(status)}",
            )
            doing = Text(", ".join(filter(None, known)))
            lines += [Text(status.run.id, style=STYLES["running"]), _indented(doing)]
        return Group(*lines)

    @property
    def _title(self) -> str:
        return f"running ({len(self._ordered)})"


def reasons(title: str, style: str, found: Sequence[tuple[str, str, Path | str | None]]) -> Group:
    """What has ended badly, why, and its log if there is one; the words have the whole width."""
    groups: dict[tuple[str, Path | str | None], list[str]] = {}
    for name, message, log in found:
        groups.setdefault((message, log), []).append(name)
    lines: list[RenderableType] = [Text(f"{title} ({len(found)})", style="bold")]
    for (message, log), names in list(groups.items())[:SHOWN]:
        others = f" and {len(names) - 1} more for the same reason" if len(names) > 1 else ""
        lines += [Text(names[0], style=style) + Text(others), _indented(Text(message))]
        if log:
            lines.append(_indented(Text(f"log: {log}")))
    if rest := sum(map(len, list(groups.values())[SHOWN:])):
        lines.append(Text(f"and {rest} more"))
    return Group(*lines)


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 4), expand=False)


def _speed(status: RunStatus) -> str | None:
    speed = status.details.get("steps_per_second")
    return f"{speed:.3g}" if speed else None


def _host(status: RunStatus) -> str:
    """Without its domain."""
    return status.details["host"].partition(".")[0]


def position(status: RunStatus) -> str:
    """Steps done, of how many, and what is being done besides training."""
    found = status.details
    if "steps" not in found:
        return "starting"
    share = found["position"] / found["steps"]
    doing = "" if found["activity"] == "training" else f", {found['activity']}"
    return f"{found['position']:,}/{found['steps']:,} ({share:.0%}){doing}"


def metric(found: dict) -> str | None:
    """The last metric that a progress file names."""
    last = found.get("metric")
    return f"{last['split']} {last['name']} {last['value']:.4g}" if last else None


def duration(seconds: float | None) -> str | None:
    """Hours, minutes and seconds; None if they are unknown."""
    return None if seconds is None else str(timedelta(seconds=round(seconds)))
