"""The looks that all figures share, and the drawing of measured values with their uncertainty.

Colours are those of Okabe and Ito (2008), told apart also by the colour-blind; each role has one.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform

if TYPE_CHECKING:  # figures without tables do not depend on how tables are read
    from polyrepro.figures.measured import Measured

TEXT_WIDTH = 6.3
"""Inches: the width of the report's text, so that no figure is scaled there."""

CROSS_ENTROPY = "#000000"
POLY = "#0072B2"
POLY_NEGATIVE = "#D55E00"
FOCAL = "#CC79A7"
TRUNCATED = "#009E73"
OTHER = "#A6761D"
"""Losses of no family that has a colour."""
PUBLISHED = "#E69F00"
"""Numbers of the paper."""
NEUTRAL = "#777777"
EQUALITY = "#CFE3D6"
"""Within a margin of equality."""
MARGIN_LABEL = "margin of equality"

DOT = {"marker": "o", "markersize": 2.2, "markeredgewidth": 0, "linestyle": "none"}
"""How a single seed is drawn."""
BESIDE = 3.5
"""Points between a mean and the dots of its seeds."""

DIFFERENCE_LABEL = "paired difference to\ncross-entropy (points of top-1)"
SELECTED_LABEL = "chosen on validation images"
PUBLISHED_LABEL = "published gain (verified)"

STYLE = {
    # The report's family; it comes with matplotlib, so that every machine draws the same.
    # Subscripts have 0.7 times the size of their text: with these sizes they are above 6 points.
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 9,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.2,
    "legend.borderaxespad": 0.2,
    "legend.handletextpad": 0.5,
    "figure.constrained_layout.h_pad": 0.02,
    "figure.constrained_layout.w_pad": 0.02,
    "figure.constrained_layout.wspace": 0.04,
}


@contextmanager
def in_style() -> Iterator[None]:
    """Draw and save inside this: the user's own matplotlib settings play no part."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def new_figure(width: float, height: float, **layout) -> tuple[Figure, list[Axes]]:
    """A figure of this size in inches with its panels; `layout` as in `Figure.subplots`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = list(figure.subplots(squeeze=False, **layout).flat)
    if len(panels) > 1:
        for letter, axes in zip("abcdef", panels, strict=False):
            axes.set_title(f"({letter})", loc="left", pad=3)
    return figure, panels


def describe(axes: Axes, text: str) -> None:
    """Say what a panel shows, after its letter if it has one."""
    letter = axes.get_title(loc="left")
    axes.set_title(f"{letter} {text}".strip(), loc="left", pad=3, fontsize=8.6)


def draw_measured(
    axes: Axes,
    x: pd.Series,
    measured: "Measured",
    *,
    colour: str,
    label: str | None = None,
    marker: str = "o",
    line: str = "-",
    shift: float = 0.0,
) -> None:
    """Means with 95 % t intervals, and each seed as a faint dot to the right of its mean.

    Args:
        x: position per variant, indexed like `measured.rows`; points are joined in its order.
        line: line style between the means; "none" for separate points.
        shift: distance in points from `x`, to keep several series apart.
    """
    x = x.sort_values(kind="stable")
    rows, seeds = measured.rows.loc[x.index], measured.seeds[x.index]
    look = {"color": colour, "marker": marker, "linestyle": line, "label": label, "zorder": 3}
    axes.plot(x, rows["mean"], transform=shifted(axes, shift), **look)
    axes.errorbar(
        x,
        rows["mean"],
        yerr=[rows["mean"] - rows["low"], rows["high"] - rows["mean"]],
        fmt="none",
        ecolor=colour,
        elinewidth=0.9,
        capsize=1.8,
        transform=shifted(axes, shift),
        zorder=3,
    )
    for _, values in seeds.iterrows():
        beside = shifted(axes, shift + BESIDE)
        axes.plot(x, values, color=colour, alpha=0.45, transform=beside, zorder=2, **DOT)
    # What is drawn in a shifted place does not count for the range of the axes by itself.
    for values in (rows["mean"], rows["low"], rows["high"], *seeds.to_numpy()):
        axes.update_datalim(list(zip(x, values, strict=True)))
    axes.autoscale_view()


def shifted(axes: Axes, points: float) -> Transform:
    """Data coordinates moved to the right by a distance on paper."""
    return axes.transData + ScaledTranslation(points / 72, 0, axes.figure.dpi_scale_trans)


def shades(colour: str, count: int) -> list[str]:
    """A colour in this many shades from light to dark, for an ordered series of losses."""
    if count == 1:
        return [colour]
    darker = LinearSegmentedColormap.from_list("shades", ["#FFFFFF", colour, "#000000"])
    return [to_hex(darker(value)) for value in np.linspace(0.3, 0.75, count)]


def draw_band(axes: Axes, row: pd.Series, *, colour: str, label: str | None = None) -> None:
    """A horizontal line at a mean with its interval as a band, for what does not depend on x."""
    axes.axhline(row["mean"], color=colour, linewidth=0.9, label=label, zorder=1.5)
    if row["low"] < row["high"]:
        axes.axhspan(row["low"], row["high"], color=colour, alpha=0.13, linewidth=0, zorder=1)


def draw_margin(axes: Axes, margin: float) -> None:
    """The differences that count as none, between two horizontal edges."""
    axes.axhspan(-margin, margin, color=EQUALITY, linewidth=0, zorder=1)
    label_margin(axes)


def label_margin(axes: Axes) -> None:
    """An entry of the legend for what is drawn in the colour of a margin."""
    look = {"color": EQUALITY, "linewidth": 6, "solid_capstyle": "butt"}
    axes.plot([math.nan], [math.nan], label=MARGIN_LABEL, **look)


def draw_threshold(axes: Axes, y: float, label: str | None = None) -> None:
    """A dashed line at a value that is given, not measured."""
    axes.axhline(y, color=NEUTRAL, linewidth=0.8, linestyle=(0, (4, 2)), label=label, zorder=1.5)


def mark_selected(axes: Axes, x: pd.Series, y: pd.Series) -> None:
    """A ring around what validation images chose."""
    look = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "linestyle": "none"}
    edge = {"markeredgecolor": POLY_NEGATIVE, "markeredgewidth": 1.1}
    axes.plot(x, y, label=SELECTED_LABEL, zorder=4, **look, **edge)


def mark_published(axes: Axes, x: float, y: float, shift: float = 0.0) -> None:
    """A published gain, at its place among what was measured; NaN is left out.

    Args:
        shift: distance in points to the right, where it would cover something.
    """
    look = {"marker": "D", "markersize": 4.5, "color": PUBLISHED, "linestyle": "none"}
    edge = {"markeredgecolor": "#000000", "markeredgewidth": 0.5}
    if math.isfinite(x) and math.isfinite(y):
        place = {"transform": shifted(axes, shift), "label": PUBLISHED_LABEL, "zorder": 3.5}
        axes.plot([x], [y], **place, **look, **edge)
        axes.update_datalim([(x, y)])
        axes.autoscale_view()


def label_seeds(axes: Axes, seeds: pd.DataFrame) -> None:
    """An entry of the legend for the dots of single seeds, with their number per variant.

    Args:
        seeds: a row per seed, a column per variant; empty columns do not count.
    """
    counts = seeds.count()
    counts = counts[counts > 0]
    if len(counts):
        numbers = dict.fromkeys((counts.min(), counts.max()))
        label = f"seed ($n$ = {' to '.join(map(str, numbers))})"
        axes.plot([math.nan], [math.nan], **DOT, color=NEUTRAL, label=label)


def legend_above(figure: Figure, *panels: Axes) -> None:
    """One legend above all panels, where it can cover nothing, in as few full rows as fit.

    What shows no point has no entry.
    """
    entries = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            if not isinstance(handle, Line2D) or len(handle.get_xdata()):
                entries.setdefault(label, handle)
    for rows in range(1, len(entries) + 1):
        columns = math.ceil(len(entries) / rows)
        legend = figure.legend(
            entries.values(), entries.keys(), loc="outside upper center", ncols=columns
        )
        if columns == 1 or legend.get_window_extent().width < figure.bbox.width:
            return
        legend.remove()
