"""Histograms of P_t in a detector's classification head, per coefficient; shared by two figures."""

import json

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import FigureError, style
from polyrepro.figures.measured import Tables
from polyrepro.files import target_probability_path
from polyrepro.studies import STUDIES

GROUPS = ("foreground", "background")


def last_epoch(tables: Tables, run: str) -> dict:
    """The last line of a run's course of P_t.

    Raises:
        FigureError: if the run has left none.
    """
    path = target_probability_path(tables.results, run)
    try:
        return json.loads(path.read_text().splitlines()[-1])
    except (OSError, IndexError, ValueError) as error:
        raise FigureError(
            f"{path} cannot be read ({error}); train the run again: "
            f"polyrepro train --results {tables.results} {run}"
        ) from None


def draw_histograms(tables: Tables, study: str, reference_label: str) -> Figure:
    """Foreground and background: share of the samples of the last epoch per bin of P_t."""
    drawing, panels = style.new_figure(style.TEXT_WIDTH, 1.95, ncols=2)
    runs = tables.runs(study)
    epsilons = tables.measured(study, STUDIES[study].metric).epsilon_curve.epsilon1.sort_values()
    for axes, group in zip(panels, GROUPS, strict=True):
        for variant, colour in zip(epsilons.index, _colours(epsilons), strict=True):
            lines = [last_epoch(tables, run) for run in runs.loc[runs.variant == variant, "run"]]
            name = f"$\\epsilon_1 = {epsilons[variant]:g}$".replace("-", "\N{MINUS SIGN}")
            label = name if epsilons[variant] else reference_label
            below = (0, (4, 1)) if epsilons[variant] < 0 else "-"
            _draw_variant(axes, [line[group] for line in lines], colour, label, below)
        axes.set(xlabel=f"$P_t$ of the {group}", xlim=(0, 1), yscale="log")
        axes.tick_params(axis="y", labelsize=9)  # exponents have 0.7 times the size
    panels[0].set(ylabel="share per bin")
    style.legend_above(drawing, *panels)
    return drawing


def _draw_variant(axes: Axes, groups: list[dict], colour: str, label: str, line) -> None:
    """Shares averaged over seeds, and a tick above at the mean of P_t."""
    shares = np.mean([np.array(g["histogram"]) / g["count"] for g in groups], axis=0)
    edges = np.linspace(0, 1, len(shares) + 1)
    # A bin that no seed has a sample in has no place on a logarithmic axis.
    steps = np.append(np.where(shares > 0, shares, np.nan), np.nan)
    steps[-1] = steps[-2]
    axes.plot(edges, steps, drawstyle="steps-post", color=colour, linestyle=line, label=label)
    mean = np.mean([g["mean_pt"] for g in groups])
    axes.plot(
        [mean],
        [1.04],
        transform=axes.get_xaxis_transform(),
        color=colour,
        marker="|",
        markersize=6,
        markeredgewidth=1.3,
        clip_on=False,
        linestyle="none",
    )


def _colours(epsilons: pd.Series) -> list[str]:
    """Orange shades below the reference, black for it, blue shades above; darker further away."""
    negative, positive = int((epsilons < 0).sum()), int((epsilons > 0).sum())
    below = style.shades(style.POLY_NEGATIVE, negative)[::-1]
    zero = [style.CROSS_ENTROPY] * int((epsilons == 0).sum())
    return [*below, *zero, *style.shades(style.POLY, positive)]
