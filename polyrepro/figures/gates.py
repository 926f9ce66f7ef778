"""Soft gate and focal loss over their exponents, beside the hard gate (study `gates`).

K of the soft gate and gamma of the focal loss share an axis: where P_t is near 1 both losses fall
with the same power of 1 - P_t.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import scales, style
from polyrepro.figures.measured import Tables
from polyrepro.studies.gates import EXPONENTS, FOCAL, HARD, SOFT
from polyrepro.variants import REFERENCE

PANELS = {
    ("top1", "test"): "difference (points of top-1)",
    ("steps_to_25", "train"): "steps to 25 %",
    ("steps_to_50", "train"): "steps to 50 %",
}
"""Metric and split to what a panel shows: accuracies as differences to cross-entropy's, paired by
seed; the steps are to an accuracy on training images."""


def figure(tables: Tables) -> Figure:
    """Accuracy and the steps that it takes, over the exponents; lines for what has none."""
    drawing, panels = style.new_figure(style.TEXT_WIDTH, 2.6, ncols=len(PANELS))
    for axes, ((metric, split), title) in zip(panels, PANELS.items(), strict=True):
        _draw_panel(axes, tables, metric, split)
        style.describe(axes, title)
        scales.logarithmic_axis(axes, EXPONENTS, closest=1.5)
        axes.margins(x=0.12)
        axes.set(xlabel=r"$K$, or $\gamma$")
    style.label_seeds(panels[-1], tables.measured("gates", "top1").seeds)
    style.legend_above(drawing, *panels)
    return drawing


def _draw_panel(axes: Axes, tables: Tables, metric: str, split: str) -> None:
    measured = tables.measured("gates", metric, split=split, paired=split == "test")
    hard = zip(HARD.items(), style.shades(style.TRUNCATED, len(HARD)), strict=True)
    bands = {REFERENCE: ("cross-entropy", style.CROSS_ENTROPY)}
    bands |= {v.name: (f"hard gate at {threshold:g}", c) for (threshold, v), c in hard}
    for name, (label, colour) in bands.items():
        if name in measured.rows.index:
            style.draw_band(axes, measured.rows.loc[name], colour=colour, label=label)
    curves = (("soft gate", SOFT, style.POLY, "o", -4), ("focal loss", FOCAL, style.FOCAL, "^", 4))
    for label, variants, colour, marker, shift in curves:
        exponents = pd.Series({variant.name: exponent for exponent, variant in variants.items()})
        part = measured.where(measured.rows.index.to_series().isin(exponents.index))
        style.draw_measured(
            axes,
            exponents[exponents.index.isin(part.rows.index)],
            part,
            colour=colour,
            marker=marker,
            label=label,
            shift=shift,
        )
