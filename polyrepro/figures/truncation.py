"""Test accuracy against the number of terms kept of cross-entropy's series (study `truncation`).

After the paper's Figure 2a, which drops the higher-order polynomials: accuracy over N beside that
of cross-entropy; N is on a logarithmic axis here. The second panel has the differences, seed by
seed, and the margin within which the study calls both equal.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import scales, style
from polyrepro.figures.measured import Measured, Tables
from polyrepro.studies.truncation import MATCH_MARGIN


def figure(tables: Tables) -> Figure:
    """Top-1 over N on the whole range of the seeds, and its paired difference to cross-entropy."""
    drawing, (whole, paired) = style.new_figure(style.TEXT_WIDTH, 2.5, ncols=2)
    measured = tables.measured("truncation", "top1")
    reference = measured.where(measured.is_reference).rows.iloc[0]
    style.draw_band(whole, reference, colour=style.CROSS_ENTROPY, label="cross-entropy")
    truncated = _draw_truncated(whole, measured)
    # An interval over collapsed runs would leave the range of accuracies.
    shown = [*truncated.seeds.to_numpy().ravel(), reference["low"], reference["high"]]
    room = 0.05 * (np.nanmax(shown) - np.nanmin(shown))
    whole.set_ylim(np.nanmin(shown) - room, np.nanmax(shown) + room)
    whole.set(ylabel="test top-1 (%)")
    style.draw_margin(paired, MATCH_MARGIN)
    paired.axhline(0, color=style.CROSS_ENTROPY, linewidth=0.9, zorder=1.5)
    truncated = _draw_truncated(paired, tables.measured("truncation", "top1", paired=True))
    differences = truncated.seeds.to_numpy().ravel()
    scale = scales.scale_differences(paired, differences, axis="y")
    ends = [*differences, -1.5 * MATCH_MARGIN, 1.5 * MATCH_MARGIN]
    paired.set_ylim(1.3 * np.nanmin(ends), 1.3 * np.nanmax(ends))
    paired.set(ylabel=f"paired difference (points\nof top-1{scale})")
    style.label_seeds(paired, measured.seeds)
    style.legend_above(drawing, whole, paired)
    return drawing


def _draw_truncated(axes: Axes, measured: Measured) -> Measured:
    """Draw the truncated losses at the usual learning rate over N; which they are."""
    table = measured.rows
    (usual,) = table.loc[measured.is_reference, "learning_rate"]
    truncated = measured.where(table["terms"].notna() & (table["learning_rate"] == usual))
    terms = truncated.rows["terms"].astype(int)
    style.draw_measured(axes, terms, truncated, colour=style.TRUNCATED, label="its first $N$ terms")
    scales.logarithmic_axis(axes, terms)
    axes.set(xlabel="number of terms $N$")
    return truncated
