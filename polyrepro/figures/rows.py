"""Differences drawn as rows: a label, and an interval within a wider one."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from polyrepro.figures.names import mathematical

ROW_HEIGHT = 0.185
"""Inches."""

MOST_LINEAR = 8.0
"""Differences beyond this are drawn logarithmically where others lie within one unit."""

LABEL_SIZE = 8.6


def draw_interval(
    axes: Axes,
    y: float,
    mean: float,
    inner: Sequence[float],
    outer: Sequence[float],
    *,
    colour: str,
    marker: str = "o",
    size: float = 4,
) -> None:
    """One row: the mean, a thick inner interval and a thin outer one; NaN is left out."""
    for ends, width in ((outer, 0.7), (inner, 2.0)):
        axes.plot(ends, [y, y], color=colour, linewidth=width, solid_capstyle="butt", zorder=2.5)
    look = {"markersize": size, "markeredgecolor": "#FFFFFF", "markeredgewidth": 0.5}
    axes.plot([mean], [y], color=colour, marker=marker, linestyle="none", zorder=3, **look)


def lines_of(label: str) -> int:
    """Height of a row in units of `ROW_HEIGHT`: one for each line of its label."""
    return label.count("\n") + 1


def row_places(heights: Sequence[float]) -> list[float]:
    """The middles of rows of these heights, from top to bottom; the first unit ends at 0.5."""
    ends = np.cumsum(heights)
    return (ends - np.array(heights) / 2 - 0.5).tolist()


def label_rows(axes: Axes, labels: Sequence[str], heights: Sequence[float]) -> None:
    """Label the rows of `row_places`."""
    axes.set_yticks(row_places(heights), [mathematical(label) for label in labels])
    axes.tick_params(axis="y", length=0, labelsize=LABEL_SIZE)
    axes.set_ylim(sum(heights) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def scale_differences(axes: Axes, values: Iterable[float], axis: str = "x") -> str:
    """Choose the scale of the axis of differences; what is to be said about it in its label."""
    finite = np.array([value for value in values if np.isfinite(value)])
    largest = np.abs(finite).max() if len(finite) else 1.0
    along = axes.xaxis if axis == "x" else axes.yaxis
    along.set_major_formatter(FuncFormatter(_signed))
    if largest <= MOST_LINEAR or np.abs(finite).min() > 1:
        along.set_major_locator(MaxNLocator(nbins=7))
        return ""
    set_scale = axes.set_xscale if axis == "x" else axes.set_yscale
    set_scale("symlog", linthresh=1, linscale=1)
    ends = [float(finite.min()), float(finite.max())]
    ticks = [-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100]
    if max(-ends[0], ends[1]) > ticks[-1]:  # no room for two in a decade
        ticks = [-1000, -100, -10, -1, 0, 1, 10, 100, 1000]
    along.set_ticks([tick for tick in ticks if 1.2 * min(*ends, -1) <= tick <= 1.2 * max(*ends, 1)])
    along.set_major_formatter(FuncFormatter(_signed))
    axes.minorticks_off()
    return "; logarithmic beyond 1"


def _signed(value: float, _: int) -> str:
    return f"{value:+g}".replace("-", "−") if value else "0"
