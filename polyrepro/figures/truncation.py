"""Test accuracy against the number of terms kept of cross-entropy's series (study `truncation`).

After the paper's Figure 2a, which drops the higher-order polynomials: accuracy over N beside that
of cross-entropy; N is on a logarithmic axis here. The second panel enlarges the neighbourhood of
cross-entropy; seeds below it are marked at its lower edge.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.figures.measured import Measured, Tables

BELOW, ABOVE = 3.0, 2.0
"""Points of accuracy around cross-entropy's mean that the second panel shows."""


def figure(tables: Tables) -> Figure:
    """Top-1 over N on the whole range of the seeds, and enlarged."""
    measured = tables.measured("truncation", "top1")
    drawing, panels = style.new_figure(style.TEXT_WIDTH, 2.5, ncols=2)
    reference = measured.where(measured.is_reference).rows.iloc[0]
    rows = measured.rows
    usual = rows["learning_rate"] == reference["learning_rate"]
    truncated = measured.where(rows["terms"].notna() & usual)
    terms = truncated.rows["terms"].astype(int)
    for axes in panels:
        style.draw_band(axes, reference, colour=style.CROSS_ENTROPY, label="cross-entropy")
        style.draw_measured(
            axes, terms, truncated, colour=style.TRUNCATED, label="its first $N$ terms"
        )
        style.logarithmic_axis(axes, terms)
        axes.set(xlabel="number of terms $N$", ylabel="test top-1 (%)")
    # An interval over collapsed runs would leave the range of accuracies.
    shown = [*truncated.seeds.to_numpy().ravel(), reference["low"], reference["high"]]
    room = 0.05 * (np.nanmax(shown) - np.nanmin(shown))
    panels[0].set_ylim(np.nanmin(shown) - room, np.nanmax(shown) + room)
    panels[1].set_ylim(reference["mean"] - BELOW, reference["mean"] + ABOVE)
    _mark_seeds_below(panels[1], terms, truncated)
    style.legend_above(drawing, *panels, columns=3)
    return drawing


def _mark_seeds_below(axes: Axes, terms: pd.Series, truncated: Measured) -> None:
    """A small triangle at the lower edge for each number of terms with seeds below it."""
    edge = axes.get_ylim()[0]
    below = terms[(truncated.seeds < edge).any()]
    if below.empty:  # a line without points would still take room
        return
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
