"""All claims of a report in one figure: intervals, margins, published gains, outcomes.

Each unit has a panel of its own, because a share and a point of accuracy have no axis in common.
"""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from polyrepro.analysis.contrasts import contrasts_at
from polyrepro.analysis.statistics import read_statistics
from polyrepro.figures import FigureError, rows, style
from polyrepro.figures.names import contrast_label, labels_of, read_claims, unit_of
from polyrepro.studies import STUDIES

WIDEST_LABEL = 50
INNER, OUTER = "95 % interval", "interval that decides"
MARGIN, GAIN = "margin", "published gain (verified)"


@dataclass(frozen=True)
class Row:
    """One contrast of a claim; `outcome` stands beside the first of a claim only."""

    label: str
    unit: str
    measured: pd.Series
    threshold: float
    outcome: str


def figure(results: Path) -> Figure:
    """Every contrast that was measured, by unit; numbers of claims as in the report's tables."""
    claims = read_claims(results / "claims.csv")
    shown = forest_rows(claims, labels_of(read_statistics(results / "statistics.csv")))
    if not shown:
        raise FigureError(
            f"{results / 'claims.csv'} has no claim with a measured contrast; run more studies"
        )
    units = list(dict.fromkeys(row.unit for row in shown))
    parts = {unit: [row for row in shown if row.unit == unit] for unit in units}
    counts = [sum(row.label.count("\n") + 1 for row in part) for part in parts.values()]
    drawing = Figure(
        figsize=(style.TEXT_WIDTH, 0.5 + 0.6 * len(units) + rows.ROW_HEIGHT * sum(counts)),
        layout="constrained",
    )
    panels = drawing.subplots(len(units), squeeze=False, height_ratios=counts)[:, 0]
    for axes, (unit, part) in zip(panels, parts.items(), strict=True):
        _draw_unit(axes, unit, part)
    style.legend_above(drawing, *panels, columns=4)
    return drawing


def forest_rows(claims: pd.DataFrame, labels: dict[tuple[str, str], str]) -> list[Row]:
    """The measured contrasts in the order of the table."""
    found = []
    for (name, scale), of_claim in claims.groupby(["claim", "scale"], sort=False):
        study = STUDIES.get(of_claim["study"].iloc[0])
        if study is None or of_claim["contrast"].eq("").all():
            continue
        (claim,) = [claim for claim in study.claims if claim.name == name]
        known = {variant: label for (of, variant), label in labels.items() if of == study.name}
        outcome = of_claim["outcome"].iloc[0]
        contrasts = contrasts_at(study, claim, scale)
        for (_, row), contrast in zip(of_claim.iterrows(), contrasts, strict=True):
            if pd.notna(row["measured"]):
                text = f"{row['number']}  {contrast_label(row['contrast'], known)}"
                text = "\n".join(textwrap.wrap(text, WIDEST_LABEL))
                found.append(Row(text, unit_of(contrast.metric), row, contrast.threshold, outcome))
                outcome = ""
    return found


def _draw_unit(axes: Axes, unit: str, part: list[Row]) -> None:
    labels = [row.label for row in part]
    for y, row in zip(rows.row_places(labels), part, strict=True):
        values, colour = row.measured, style.OUTCOMES[row.measured["outcome"]]
        inner, outer = values[["low", "high"]], values[["decisive_low", "decisive_high"]]
        rows.draw_interval(axes, y, values["measured"], inner, outer, colour=colour)
        if pd.notna(values["margin"]) and values["margin"] > 0:
            _draw_margin(axes, y, row.threshold, values["margin"])
        if values["published_status"] == "verified" and len(set(_claim(part, row))) == 1:
            look = {"marker": "D", "markersize": 4, "color": style.PRECISION, "linestyle": "none"}
            axes.plot([values["published_gain"]], [y], label=GAIN, zorder=2.8, **look)
        if row.outcome:
            place = axes.get_yaxis_transform()
            axes.text(
                1.02, y, row.outcome, transform=place, va="center", color=colour, fontsize=8.6
            )
    rows.label_rows(axes, labels)
    scale = rows.scale_differences(axes, [row.measured["measured"] for row in part])
    _limit(axes, part, logarithmic=bool(scale))
    for threshold in sorted({row.threshold for row in part}):
        axes.axvline(threshold, color=style.NEUTRAL, linewidth=0.8, zorder=1.5)
    axes.set_xlabel(style.mathematical(f"{unit}{scale}"))
    for width, label in ((2.0, INNER), (0.7, OUTER)):
        axes.plot([float("nan")] * 2, [0, 0], color=style.NEUTRAL, linewidth=width, label=label)


def _limit(axes: Axes, part: list[Row], *, logarithmic: bool) -> None:
    """Show the means with their plain intervals; those that decide may be many times as wide."""
    table = pd.DataFrame([row.measured for row in part])
    ends = table[["measured", "low", "high"]].assign(threshold=[row.threshold for row in part])
    verified = table["published_status"] == "verified"
    ends["gain"] = table["published_gain"].where(verified)
    ends["margin"] = table["margin"]
    low, high = ends.drop(columns="margin").min(axis=None), ends.max(axis=None)
    low = min(low, -ends["margin"].max()) if ends["margin"].notna().any() else low
    room = 0.12 * (high - low)
    if logarithmic:
        axes.set_xlim(1.3 * low, 1.3 * high)
    elif low < high:
        axes.set_xlim(low - room, high + room)


def _claim(part: list[Row], row: Row) -> list[str]:
    """The contrasts of the claim that a row belongs to."""
    return [r.measured["contrast"] for r in part if r.measured["claim"] == row.measured["claim"]]


def _draw_margin(axes: Axes, y: float, threshold: float, margin: float) -> None:
    patch = Rectangle(
        (threshold - margin, y - 0.4), 2 * margin, 0.8, color="#CFE3D6", linewidth=0, zorder=1
    )
    axes.add_patch(patch)
    look = {"color": "#CFE3D6", "linewidth": 6, "solid_capstyle": "butt"}
    axes.plot([float("nan")], [float("nan")], label=MARGIN, **look)
