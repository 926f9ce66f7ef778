"""All claims of a report: intervals, margins, published gains, and a mark for each source.

Each unit has a panel of its own, because a share and a point of accuracy have no axis in common.
Where the rows do not fit half a page of the report, the figure has several parts.
"""

import math
import textwrap
from collections.abc import Sequence
from itertools import chain

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import StrMethodFormatter

from polyrepro.analysis.references import Source
from polyrepro.analysis.significance import CONFIDENCE_PERCENT
from polyrepro.figures import rows, scales, style
from polyrepro.figures.forest_rows import BETWEEN_SOURCES, WIDEST_LABEL, Row, forest_rows
from polyrepro.figures.names import mathematical

OUTCOMES = {
    "reproduced": "#1B6E3C",
    "direction only": "#2A6F97",
    "equivalent within a margin": "#2A6F97",
    "published gain excluded": "#A4243B",
    "not reproduced": "#A4243B",
    "inconclusive": "#6C6C6C",
}
"""Outcome of a claim to its colour."""

MARKERS = "osv^P*"
"""Of the sources, the report's own first; more sources than markers share the last one."""

MOST_HEIGHT = 4.4
"""Inches: two parts with their captions fill a page of the report."""
ABOVE, AROUND_PANEL = 0.5, 0.6
"""Inches: legend, and axis and title of each panel."""
AXES = {"P_t": "difference in mean P_t"}
"""What the axis of a unit says, if not its name."""
INNER, OUTER = f"{CONFIDENCE_PERCENT} % interval", "interval that decides"


def figure(sources: Sequence[Source]) -> list[Figure]:
    """Every contrast that was measured, by unit; numbers of claims as in the report's tables.

    Args:
        sources: the report's own claims and those beside them.
    """
    shown = forest_rows(sources)
    return [_page(page, sources) for page in pages(shown)] or [_nothing_measured()]


def _nothing_measured() -> Figure:
    """In a report of few runs, or of one seed, which chooses and cannot test as well."""
    drawing = Figure(figsize=(style.TEXT_WIDTH, ABOVE))
    drawing.text(0.5, 0.5, "no comparison of a claim has been measured yet", ha="center")
    return drawing


def pages(shown: Sequence[Row]) -> list[list[Row]]:
    """The rows of each part, by unit; a claim is not divided, a unit only if it is too large."""
    found: list[list[Row]] = []
    for unit in dict.fromkeys(row.unit for row in shown):
        for piece in _pieces([row for row in shown if row.unit == unit]):
            if not found or _height([*found[-1], *piece]) > MOST_HEIGHT:
                found.append([])
            found[-1] += piece
    return found


def _pieces(of_unit: list[Row]) -> list[list[Row]]:
    """Full parts, of which two fill a page, and a rest of more than one claim."""
    claims: list[list[Row]] = []
    for row in of_unit:
        if row.outcomes or not claims:
            claims.append([])
        claims[-1].append(row)
    found: list[list[list[Row]]] = [[]]
    for claim in claims:
        if found[-1] and _height(list(chain(*found[-1], claim))) > MOST_HEIGHT:
            found.append([])
        found[-1].append(claim)
    if len(found) > 1 and len(found[-1]) == 1:
        found[-1].insert(0, found[-2].pop())
    return [list(chain(*piece)) for piece in found if piece]


def _height(part: Sequence[Row]) -> float:
    panels = len({row.unit for row in part})
    return ABOVE + AROUND_PANEL * panels + rows.ROW_HEIGHT * sum(row.height for row in part)


def _page(part: list[Row], sources: Sequence[Source]) -> Figure:
    parts = {u: [row for row in part if row.unit == u] for u in dict.fromkeys(r.unit for r in part)}
    drawing = Figure(figsize=(style.TEXT_WIDTH, _height(part)), layout="constrained")
    ratios = [sum(row.height for row in of_unit) for of_unit in parts.values()]
    panels = drawing.subplots(len(parts), squeeze=False, height_ratios=ratios)[:, 0]
    for axes, (unit, of_unit) in zip(panels, parts.items(), strict=True):
        _draw_unit(axes, unit, of_unit)
    if len(sources) > 1:
        for place in sorted({place for row in part for place, _ in row.marks}):
            look = {"marker": _marker(place), "linestyle": "none", "color": style.NEUTRAL}
            name = textwrap.fill(sources[place].name, WIDEST_LABEL)
            panels[0].plot([math.nan], [math.nan], label=name, **look)
    style.legend_above(drawing, *panels)
    return drawing


def _marker(place: int) -> str:
    return MARKERS[min(place, len(MARKERS) - 1)]


def _draw_unit(axes: Axes, unit: str, part: list[Row]) -> None:
    heights = [row.height for row in part]
    for y, row in zip(rows.row_places(heights), part, strict=True):
        _draw_row(axes, y, row)
    rows.label_rows(axes, [row.label for row in part], heights)
    scale = scales.scale_differences(axes, [m["measured"] for row in part for _, m in row.marks])
    _limit(axes, part)
    for y, row in zip(rows.row_places(heights), part, strict=True):
        for at, _, values in row.places(y):
            ends = values[["decisive_low", "decisive_high"]].to_list()
            _mark_cuts(axes, at, ends, OUTCOMES[values["outcome"]])
    for threshold in sorted({row.contrast.threshold for row in part}):
        axes.axvline(threshold, color=style.NEUTRAL, linewidth=0.8, zorder=1.5)
    if all(len(row.contrast.weights) == 1 for row in part):  # values, no differences
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel(mathematical(f"{AXES.get(unit, unit)}{scale}"))
    for width, label in ((2.0, INNER), (0.7, OUTER)):
        axes.plot([math.nan] * 2, [0, 0], color=style.NEUTRAL, linewidth=width, label=label)


def _draw_row(axes: Axes, y: float, row: Row) -> None:
    for at, place, values in row.places(y):
        colour = OUTCOMES[values["outcome"]]
        inner, outer = values[["low", "high"]], values[["decisive_low", "decisive_high"]]
        look = {"colour": colour, "marker": _marker(place), "size": 4 if not place else 4.6}
        rows.draw_interval(axes, at, values["measured"], inner, outer, **look)
        if row.outcomes:
            words = {"va": "center", "color": colour, "fontsize": 8.6 if len(row.marks) < 2 else 8}
            axes.text(1.02, at, values["outcome"], transform=axes.get_yaxis_transform(), **words)
    if row.contrast.margin:
        _draw_margin(axes, y, row)
    # Below the first mark, which it would cover where both are equal.
    below = BETWEEN_SOURCES / 2 if len(row.marks) > 1 else 0
    style.mark_published(axes, row.gain, row.places(y)[0][0] + below)


def _limit(axes: Axes, part: list[Row]) -> None:
    """Show all means, and the plain interval of the first source of a row, as a rule the report's.

    Intervals that decide, and those of another source with fewer seeds, may be many times as wide.
    """
    shown = []
    for row in part:
        shown += [row.contrast.threshold, row.gain, *row.contrast.edges]
        shown += row.marks[0][1][["low", "high"]].to_list()
        shown += [mark["measured"] for _, mark in row.marks]
    scales.fit_limits(axes, shown, room=0.05)


def _mark_cuts(axes: Axes, y: float, ends: Sequence[float], colour: str) -> None:
    """Arrows where an interval goes on beyond the panel."""
    low, high = axes.get_xlim()
    for at, beyond, marker in ((low, ends[0] < low, "<"), (high, ends[1] > high, ">")):
        if beyond:
            axes.plot([at], [y], marker=marker, markersize=3, color=colour, clip_on=False)


def _draw_margin(axes: Axes, y: float, row: Row) -> None:
    low, high = row.contrast.edges
    look = {"color": style.EQUALITY, "linewidth": 0, "zorder": 1}
    height = row.height - 0.2
    axes.add_patch(Rectangle((low, y - height / 2), high - low, height, **look))
    style.label_margin(axes)
