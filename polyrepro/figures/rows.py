"""Differences drawn as rows: a label, and an interval within a wider one."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from polyrepro.figures.names import mathematical

ROW_HEIGHT = 0.185
"""Inches."""

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
