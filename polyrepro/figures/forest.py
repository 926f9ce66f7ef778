"""All claims of a report: intervals, margins, published gains, and a mark for each source.

Each unit has a panel of its own, because a share and a point of accuracy have no axis in common.
Where the rows do not fit half a page of the report, the figure has several parts.
"""

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import StrMethodFormatter

from polyrepro.analysis.outcomes import EQUIVALENT
from polyrepro.analysis.references import Source, claim_numbers, contrasts_by_source
from polyrepro.analysis.significance import CONFIDENCE_PERCENT
from polyrepro.figures import rows, style
from polyrepro.figures.names import contrast_label, labels_of, mathematical, unit_of
from polyrepro.studies import STUDIES
from polyrepro.studies.claim import Contrast

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

WIDEST_LABEL = 50
MOST_HEIGHT = 4.4
"""Inches: two parts with their captions fill a page of the report."""
BETWEEN_SOURCES = 0.62
"""Distance between the marks of two sources, in units of a row."""
ABOVE, AROUND_PANEL = 0.5, 0.6
"""Inches: legend, and axis and title of each panel."""
INNER, OUTER = f"{CONFIDENCE_PERCENT} % interval", "interval that decides"
GAIN = "published gain (verified)"


@dataclass(frozen=True)
class Row:
    """One contrast of a claim.

    Attributes:
        marks: place of a source and its row of `claims.csv`.
        outcomes: of the claim as a whole, by source; beside the first contrast of a claim only.
        single: whether the claim has this contrast alone, to which a published gain belongs.
    """

    label: str
    contrast: Contrast
    marks: tuple[tuple[int, pd.Series], ...]
    outcomes: bool
    single: bool

    @property
    def unit(self) -> str:
        """What the panel of the row is about."""
        return unit_of(self.contrast.metric)

    @property
    def gain(self) -> float:
        """The published gain that the contrast is compared with; NaN if none was verified."""
        row = self.marks[0][1]
        verified = self.single and row["published_status"] == "verified"
        return float(row["published_gain"]) if verified else math.nan

    @property
    def height(self) -> float:
        """In units of `rows.ROW_HEIGHT`."""
        return max(rows.lines_of(self.label), 1 + BETWEEN_SOURCES * (len(self.marks) - 1))


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
    """Parts of about the same height, so that none of them has a single row."""
    share = _height(of_unit) / math.ceil(_height(of_unit) / MOST_HEIGHT)
    claims: list[list[Row]] = []
    for row in of_unit:
        if row.outcomes or not claims:
            claims.append([])
        claims[-1].append(row)
    found: list[list[Row]] = [[]]
    for claim in claims:
        full = _height(found[-1]) >= share or _height([*found[-1], *claim]) > MOST_HEIGHT
        if found[-1] and full:
            found.append([])
        found[-1] += claim
    return found


def forest_rows(sources: Sequence[Source]) -> list[Row]:
    """The measured contrasts in the order of the studies."""
    found = []
    numbers = claim_numbers(sources)
    labels = [labels_of(source.statistics) for source in sources]
    for study in STUDIES.values():
        for claim in study.claims:
            contrasts = contrasts_by_source(claim.name, sources)
            for number, (contrast, measured) in enumerate(contrasts):
                if claim.step_down and number and not _examined(contrasts[:number]):
                    break
                marks = tuple((i, row) for i, row in enumerate(measured) if row is not None)
                first, row = marks[0]
                known = {name: label for (of, name), label in labels[first].items()}
                known |= {n: label for (of, n), label in labels[first].items() if of == study.name}
                text = f"{numbers[claim.name]}  {contrast_label(row['contrast'], known)}"
                found.append(Row(_wrapped(text), contrast, marks, not number, len(contrasts) == 1))
    return found


def _examined(before: Iterable[tuple[Contrast, list[pd.Series | None]]]) -> bool:
    """Whether any source gets to a step: all before it hold there."""
    of_sources = zip(*(measured for _, measured in before), strict=True)
    return any(
        all(row is not None and row["contrast_outcome"] == EQUIVALENT for row in steps)
        for steps in of_sources
    )


def _wrapped(label: str) -> str:
    """A long label in lines that break between losses, not within their parentheses."""
    whole = re.sub(r"\([^)]*\)", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), label)
    lines = textwrap.wrap(whole, WIDEST_LABEL)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


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
    # The name of a source may hold the path of its folder.
    long_names = any(len(source.name) > WIDEST_LABEL // 2 for source in sources)
    style.legend_above(drawing, *panels, columns=2 if long_names else 4)
    return drawing


def _marker(place: int) -> str:
    return MARKERS[min(place, len(MARKERS) - 1)]


def _draw_unit(axes: Axes, unit: str, part: list[Row]) -> None:
    heights = [row.height for row in part]
    for y, row in zip(rows.row_places(heights), part, strict=True):
        _draw_row(axes, y, row)
    rows.label_rows(axes, [row.label for row in part], heights)
    scale = rows.scale_differences(axes, [m["measured"] for row in part for _, m in row.marks])
    _limit(axes, part, logarithmic=bool(scale))
    for threshold in sorted({row.contrast.threshold for row in part}):
        axes.axvline(threshold, color=style.NEUTRAL, linewidth=0.8, zorder=1.5)
    if all(len(row.contrast.weights) == 1 for row in part):  # values, no differences
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel(mathematical(f"{unit}{scale}"))
    for width, label in ((2.0, INNER), (0.7, OUTER)):
        axes.plot([math.nan] * 2, [0, 0], color=style.NEUTRAL, linewidth=width, label=label)


def _draw_row(axes: Axes, y: float, row: Row) -> None:
    top = y - BETWEEN_SOURCES * (len(row.marks) - 1) / 2
    for number, (place, values) in enumerate(row.marks):
        at, colour = top + BETWEEN_SOURCES * number, OUTCOMES[values["outcome"]]
        inner, outer = values[["low", "high"]], values[["decisive_low", "decisive_high"]]
        look = {"colour": colour, "marker": _marker(place), "size": 4 if not place else 4.6}
        rows.draw_interval(axes, at, values["measured"], inner, outer, **look)
        if row.outcomes:
            words = {"va": "center", "color": colour, "fontsize": 8.6 if len(row.marks) < 2 else 8}
            axes.text(1.02, at, values["outcome"], transform=axes.get_yaxis_transform(), **words)
    if row.contrast.margin:
        _draw_margin(axes, y, row)
    if math.isfinite(row.gain):
        look = {"marker": "D", "markersize": 4, "color": style.PRECISION, "linestyle": "none"}
        axes.plot([row.gain], [y], label=GAIN, zorder=2.8, **look)


def _limit(axes: Axes, part: list[Row], *, logarithmic: bool) -> None:
    """Show the means with their plain intervals; those that decide may be many times as wide."""
    shown = [
        value
        for row in part
        for _, mark in row.marks
        for value in (*mark[["measured", "low", "high"]], row.contrast.threshold, row.gain)
        if math.isfinite(value)
    ]
    low, high = min(shown), max(shown)
    margins = [row.contrast.edges for row in part if row.contrast.margin]
    low = min([low, *(edges[0] for edges in margins)])
    high = max([high, *(edges[1] for edges in margins)])
    room = 0.12 * (high - low)
    if logarithmic:
        axes.set_xlim(1.3 * low, 1.3 * high)
    elif low < high:
        axes.set_xlim(low - room, high + room)


def _draw_margin(axes: Axes, y: float, row: Row) -> None:
    low, high = row.contrast.edges
    look = {"color": style.EQUALITY, "linewidth": 0, "zorder": 1}
    height = row.height - 0.2
    axes.add_patch(Rectangle((low, y - height / 2), high - low, height, **look))
    style.label_margin(axes)
