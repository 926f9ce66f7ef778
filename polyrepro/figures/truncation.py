"""Test accuracy against the number of terms kept of cross-entropy's series (study `truncation`).

After the paper's experiment that drops the higher-order polynomials. The upper panel shows every
seed: one that ends far below the others has given up a class. The lower panel enlarges the
neighbourhood of cross-entropy; seeds below it are marked at its lower edge.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.figures.measured import Measured, Tables

BELOW, ABOVE = 2.5, 1.5
"""Points of accuracy around cross-entropy's mean that the lower panel shows."""


def figure(tables: Tables) -> Figure:
    """Top-1 over N on the whole range of the seeds, and enlarged."""
    measured = tables.measured("truncation", "top1")
    drawing, panels = style.new_figure(style.COLUMN_WIDTH, 3.7, nrows=2, sharex=True)
    reference = measured.where(measured.is_reference).rows.iloc[0]
    truncated = measured.where(~measured.is_reference)
    terms = truncated.rows["terms"].astype(int)
    for axes in panels:
        style.draw_band(axes, reference, colour=style.CROSS_ENTROPY, label="cross-entropy")
        style.draw_measured(
            axes, terms, truncated, colour=style.TRUNCATED, label="its first $N$ terms"
        )
        style.logarithmic_axis(axes, terms)
        axes.set(ylabel="test top-1 (%)")
    panels[1].set(xlabel="number of terms $N$")
    panels[1].set_ylim(reference["mean"] - BELOW, reference["mean"] + ABOVE)
    _mark_seeds_below(panels[1], terms, truncated)
    style.legend_above(drawing, *panels, columns=2)
    return drawing


def _mark_seeds_below(axes: Axes, terms: pd.Series, truncated: Measured) -> None:
    """A small triangle at the lower edge for each number of terms with seeds below it."""
    edge = axes.get_ylim()[0]
    below = terms[(truncated.seeds < edge).any()]
    axes.plot(
        below,
        [edge] * len(below),
        color=style.TRUNCATED,
        linestyle="none",
        marker="v",
        markersize=3.5,
        clip_on=False,
        transform=style.shifted(axes, style.BESIDE),
        label="seeds below the panel",
    )
