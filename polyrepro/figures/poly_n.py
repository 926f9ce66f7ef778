"""Poly-N chosen on validation images, N = 1, 2, 3, against cross-entropy (study `poly_n`).

After the paper's Poly-N experiment. Differences are paired by seed; behind each chosen loss stand
the other points of its grid.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.figures.measured import Measured, Tables
from polyrepro.studies.poly_n import BEST


def figure(tables: Tables) -> Figure:
    """Differences of the selected losses, with the grids they were selected from."""
    measured = tables.measured("poly_n", "top1", paired=True).of_family
    values = tables.measured("poly_n", "top1")
    drawing, (axes,) = style.new_figure(style.TEXT_WIDTH, 2.4)
    reference = values.where(values.is_reference).rows.iloc[0]
    style.describe(axes, f"cross-entropy: {reference['mean']:.1f} %")
    axes.axhline(0, color=style.CROSS_ENTROPY, linewidth=0.9, label="cross-entropy", zorder=1.5)
    labels = []
    for count, selection in enumerate(BEST, start=1):
        chosen = measured.where(measured.is_selected(selection.name))
        _draw_grid(axes, count, measured.where(~measured.is_selected(selection.name)))
        style.draw_measured(
            axes,
            chosen.rows["mean"] * 0 + count,
            chosen,
            colour=style.POLY,
            label="Poly-$N$",
            line="none",
        )
        style.mark_selected(axes, chosen.rows["mean"] * 0 + count, chosen.rows["mean"])
        labels.append(f"$N = {count}$\n{_coefficients(chosen, count)}")
    axes.set_xticks(range(1, len(BEST) + 1), labels)
    axes.set_xlim(0.5, len(BEST) + 0.5)
    axes.grid(axis="x", visible=False)
    axes.set(ylabel=style.DIFFERENCE_LABEL)
    style.label_seeds(axes, values.of_family.seeds)
    style.legend_above(drawing, axes)
    return drawing


def _draw_grid(axes: Axes, count: int, others: Measured) -> None:
    """Means of the losses with this many coefficients, in the order of the grid."""
    means = others.rows.loc[others.rows["epsilon"].str.split().str.len() == count, "mean"]
    positions = count + np.linspace(-0.35, 0.35, len(means))
    axes.plot(
        positions,
        means,
        color=style.NEUTRAL,
        alpha=0.7,
        linestyle="none",
        marker="o",
        markersize=3,
        markerfacecolor="none",
        label="other grid points (mean)",
    )


def _coefficients(chosen: Measured, count: int) -> str:
    """The chosen coefficients; those that a smaller N leaves out are zero."""
    if chosen.rows.empty:
        return "(not run)"
    values = [float(text) for text in chosen.rows["epsilon"].iloc[0].split()]
    values += [0.0] * (count - len(values))
    return "(" + ", ".join(f"{value:.2g}" for value in values).replace("-", "\N{MINUS SIGN}") + ")"
