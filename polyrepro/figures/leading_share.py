"""Share of cross-entropy's gradient that comes from the leading term of its series, over training.

After the paper's statement that the leading term gives more than half of the gradient for most of
the training. Runs of cross-entropy of the study `epsilon_sweep`, training images.
"""

import math

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from polyrepro.analysis.statistics import estimate
from polyrepro.figures import style
from polyrepro.figures.measured import Tables
from polyrepro.variants import REFERENCE

SHARES = {
    "leading_share": ("mean of the images’ shares", "-", "o", style.CROSS_ENTROPY),
    "leading_share_weighted": ("share of the summed gradients", "--", "s", "#FFFFFF"),
}


def figure(tables: Tables) -> Figure:
    """Both shares against time, each point averaging over the part of an epoch before it."""
    drawing, (axes,) = style.new_figure(style.TEXT_WIDTH, 2.3)
    faint = {"color": style.CROSS_ENTROPY, "alpha": 0.3, "linewidth": 0.6, "zorder": 2}
    for metric, (label, line, marker, face) in SHARES.items():
        values = _within_epochs(tables.metrics, metric)
        axes.plot(values, **faint)
        estimates = values.apply(estimate, axis="columns")
        axes.fill_between(
            values.index,
            [e.low for e in estimates],
            [e.high for e in estimates],
            color=style.CROSS_ENTROPY,
            alpha=0.15,
            linewidth=0,
        )
        axes.plot(
            values.index,
            [e.mean for e in estimates],
            color=style.CROSS_ENTROPY,
            linestyle=line,
            marker=marker,
            markersize=3,
            markerfacecolor=face,
            label=label,
            zorder=3,
        )
    axes.plot([math.nan], [math.nan], label=f"seed ($n$ = {values.shape[1]})", **faint)
    style.draw_threshold(axes, 0.5, "one half")
    axes.set(xlabel="epoch", ylabel="share of the leading term", ylim=(0, 1))
    axes.set_xlim(0, math.ceil(values.index.max()))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.legend_above(drawing, axes)
    return drawing


def _within_epochs(metrics: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Values by time (rows) and seed (columns)."""
    rows = metrics[
        (metrics["study"] == "epsilon_sweep")
        & (metrics["variant"] == REFERENCE)
        & (metrics["split"] == "train")
        & (metrics["metric"] == metric)
    ]
    # A whole epoch's row averages over its parts, which are rows of their own. Epochs of a single
    # step, as on a few photographs, have no parts.
    parts = rows["epoch"] % 1 != 0
    rows = rows[parts] if parts.any() else rows
    return rows.pivot(index="epoch", columns="seed", values="value")
