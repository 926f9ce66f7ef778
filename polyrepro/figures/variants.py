"""Every variant of a study against the reference: the figure that each study has.

Variants go by their labels, so that any loss can be one of them: also a series from elsewhere.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.analysis.significance import CONFIDENCE_PERCENT
from polyrepro.figures import rows, style
from polyrepro.figures.measured import Measured, Tables
from polyrepro.figures.names import METRIC_LABELS, mathematical, unit_of
from polyrepro.studies import STUDIES
from polyrepro.variants import POLY_SERIES

INNER = f"mean and {CONFIDENCE_PERCENT} % interval"
OUTER = "interval for all rows together"
SEED, COLLAPSED = "seed", "seed with a collapsed run"


def figure(tables: Tables, study: str) -> Figure:
    """Paired differences to the reference in the study's metric; values of the variants beside."""
    definition = STUDIES[study]
    metric = definition.metric
    values = tables.measured(study, metric)
    differences = tables.measured(study, metric, paired=True)
    count = len(values.rows)
    drawing = Figure(
        figsize=(style.TEXT_WIDTH, 0.95 + rows.ROW_HEIGHT * count), layout="constrained"
    )
    axes = drawing.subplots()
    lost = _collapsed(tables, study, differences)
    for y, (variant, row) in enumerate(differences.rows.iterrows()):
        _draw_row(axes, y, row, differences.seeds[variant], lost[variant], differences.reference)
        _write_value(axes, y, values.rows.loc[variant])
    rows.label_rows(axes, list(differences.rows["label"]), [1] * count)
    shown = np.concatenate([differences.rows["mean"], differences.seeds.to_numpy().ravel()])
    scale = rows.scale_differences(axes, shown)
    axes.axvline(0, color=style.NEUTRAL, linewidth=0.8, zorder=1.5)
    name = METRIC_LABELS.get(metric, metric)
    axes.text(1.06, 1.0, f"{name} (%)", transform=axes.transAxes, va="bottom", ha="center")
    reference = values.rows["label"].get(definition.reference, definition.reference)
    axes.set_xlabel(mathematical(f"paired difference to {reference} ({unit_of(metric)}{scale})"))
    style.legend_above(drawing, axes, columns=3)
    return drawing


def _collapsed(tables: Tables, study: str, differences: Measured) -> pd.DataFrame:
    """Whether the run of a variant, or of the reference beside it, has collapsed."""
    lost = tables.collapsed(study).reindex_like(differences.seeds).fillna(False).astype(bool)
    if differences.reference not in lost:
        return lost
    return lost.apply(lambda of_variant: of_variant | lost[differences.reference])


def _draw_row(
    axes: Axes, y: int, row: pd.Series, seeds: pd.Series, lost: pd.Series, reference: str
) -> None:
    outer = row[["simultaneous_low", "simultaneous_high"]].to_list()
    is_reference = row.name == reference
    colour = style.POLY if row["series"] == POLY_SERIES else style.FOCAL
    colour = style.CROSS_ENTROPY if is_reference else colour
    marker = "s" if is_reference else "o"
    rows.draw_interval(
        axes, y, row["mean"], row[["low", "high"]], outer, colour=colour, marker=marker
    )
    dots = {"linestyle": "none", "markersize": 2.4, "zorder": 2}
    below = y + 0.27
    for name, look, part in (
        (SEED, {"marker": "o", "alpha": 0.45, "color": colour, "markeredgewidth": 0}, ~lost),
        (COLLAPSED, {"marker": "x", "color": style.POLY_NEGATIVE, "markersize": 4}, lost),
    ):
        of_part = seeds[part].dropna()
        axes.plot(of_part, [below] * len(of_part), **dots | look)
        if len(of_part):
            axes.plot([np.nan], [np.nan], **dots | look, label=name)
    line = {"color": colour, "solid_capstyle": "butt"}
    if not is_reference:
        axes.plot([np.nan], [np.nan], marker="o", linewidth=2.0, label=INNER, **line)
        axes.plot([np.nan], [np.nan], linewidth=0.7, label=OUTER, **line)
    if row["selected"]:
        ring = {"markersize": 8, "markerfacecolor": "none", "markeredgecolor": style.POLY_NEGATIVE}
        axes.plot(
            [row["mean"]], [y], marker="o", linestyle="none", label=style.SELECTED_LABEL, **ring
        )


def _write_value(axes: Axes, y: int, row: pd.Series) -> None:
    """Mean and half width of the variant's own value, in a column at the right."""
    text = f"{row['mean']:.2f}"
    if row["collapsed"]:
        text += f" ({row['collapsed']} collapsed)"
    elif row["low"] < row["high"]:
        text += f" ± {row['high'] - row['mean']:.2f}"
    place = axes.get_yaxis_transform()
    axes.text(1.06, y, text, transform=place, va="center", ha="center", fontsize=8)
