"""The PolyLoss family as functions of P_t: values, polynomial coefficients, gradient weights.

After Figure 1 of the paper. Everything is evaluated with `polyrepro.losses.Series`; no formula is
repeated here, and any series can be added to ``CURVES``; coefficients are shown of those that state
them.
"""

from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.losses import PolySeries, Series

POWERS = 6
"""Coefficients of q^1 .. q^6 are shown."""


@dataclass(frozen=True)
class Curve:
    """A loss and how it is drawn."""

    label: str
    series: Series
    colour: str
    line: str | tuple
    marker: str


CURVES = (
    Curve("cross-entropy", PolySeries(), style.CROSS_ENTROPY, "-", "o"),
    Curve(r"Poly-1, $\epsilon_1 = 2$", PolySeries(2.0), style.POLY, "-", "^"),
    Curve(r"Poly-1, $\epsilon_1 = -1$", PolySeries(-1.0), style.POLY_NEGATIVE, "--", "v"),
    Curve(r"focal, $\gamma = 2$", PolySeries(gamma=2.0), style.FOCAL, "-.", "s"),
    Curve("truncated, $N = 2$", PolySeries(terms=2), style.TRUNCATED, (0, (1, 1)), "D"),
)


def figure() -> Figure:
    """Loss against P_t, coefficients against their power, gradient weight against P_t."""
    drawing, (values, coefficients, weights) = style.new_figure(style.TEXT_WIDTH, 2.3, ncols=3)
    pt = torch.linspace(1e-3, 1, 1000, dtype=torch.float64)
    for curve in CURVES:
        # The marker, drawn nowhere on the curve, ties the legend to the coefficients' panel.
        marker = {"marker": curve.marker, "markersize": 3, "markevery": []}
        look = {"color": curve.colour, "linestyle": curve.line, "label": curve.label} | marker
        values.plot(pt, curve.series.value(pt.log()), **look)
        weights.plot(pt, curve.series.gradient_weight(pt.log()), **look)
    _draw_coefficients(coefficients)
    probability = "probability of the target class $P_t$"
    values.set(xlabel=probability, ylabel="loss", xlim=(0, 1), ylim=(0, 5))
    weights.set(xlabel=probability, ylabel="gradient weight $w(P_t)$", xlim=(0, 1), ylim=(0, 3.1))
    style.legend_above(drawing, values)
    return drawing


def _draw_coefficients(axes: Axes) -> None:
    """Stems, those of one power side by side; a loss without a power has its mark at zero."""
    axes.axhline(0, color=style.NEUTRAL, linewidth=0.6, zorder=1)
    polynomials = [curve for curve in CURVES if isinstance(curve.series, PolySeries)]
    for number, curve in enumerate(polynomials):
        shift = 0.15 * (number - (len(polynomials) - 1) / 2)
        alphas = _coefficients_of_powers(curve.series)
        positions = [power + shift for power in range(1, POWERS + 1)]
        axes.vlines(positions, 0, alphas, color=curve.colour, linewidth=0.9, zorder=2)
        axes.plot(
            positions,
            alphas,
            color=curve.colour,
            linestyle="none",
            marker=curve.marker,
            markersize=2.6,
            zorder=3,
        )
    axes.grid(axis="x", visible=False)
    axes.set_xticks(range(1, POWERS + 1))
    axes.set(
        xlabel="power $j$ of $(1 - P_t)^j$", ylabel=r"coefficient $\alpha_j$", ylim=(-0.1, 3.1)
    )


def _coefficients_of_powers(series: PolySeries) -> list[float]:
    """Coefficients of q^1 .. q^POWERS; a focal factor q^gamma moves them up by gamma powers."""
    missing = [0.0] * int(series.gamma)
    return (missing + series.coefficients(POWERS))[:POWERS]
