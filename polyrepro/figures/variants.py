"""Every variant of a study against the reference: the figure that each study has.

Variants go by their labels, so that any loss can be one of them: also a series from elsewhere.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.analysis.significance import CONFIDENCE_PERCENT
from polyrepro.figures import rows, scales, style
from polyrepro.figures.families import colour_of
from polyrepro.figures.measured import Measured, Tables
from polyrepro.figures.names import METRIC_LABELS, mathematical, unit_of
from polyrepro.studies import STUDIES

INNER = f"mean and {CONFIDENCE_PERCENT} % interval"
OUTER = "interval for all rows together"
COLLAPSED = "seed with a collapsed run"
CROSS = {"marker": "x", "markersize": 4, "color": style.POLY_NEGATIVE, "linestyle": "none"}


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
    _explain(axes, differences, lost)
    for y, (variant, row) in enumerate(differences.rows.iterrows()):
        _draw_row(axes, y, row, differences.seeds[variant], lost[variant], differences.reference)
        _write_value(axes, y, values.rows.loc[variant])
    rows.label_rows(axes, list(differences.rows["label"]), [1] * count)
    limits = differences.rows[["simultaneous_low", "simultaneous_high", "mean"]].to_numpy().ravel()
    shown = np.concatenate([differences.rows["mean"], differences.seeds.to_numpy().ravel()])
    scale = scales.scale_differences(axes, shown)
    scales.fit_limits(axes, [*shown, *limits.clip(-100, 100)])
    axes.axvline(0, color=style.NEUTRAL, linewidth=0.8, zorder=1.5)
    name = METRIC_LABELS.get(metric, metric)
    unit = unit_of(metric) if metric not in METRIC_LABELS else f"points of {name}"
    axes.text(1.06, 1.0, f"{name} (%)", transform=axes.transAxes, va="bottom", ha="center")
    reference = values.rows["label"].get(definition.reference, definition.reference)
    axes.set_xlabel(mathematical(f"paired difference to {reference} ({unit}{scale})"))
    style.legend_above(drawing, axes)
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
    colour = style.CROSS_ENTROPY if is_reference else colour_of(row)
    marker = "s" if is_reference else "o"
    rows.draw_interval(
        axes, y, row["mean"], row[["low", "high"]], outer, colour=colour, marker=marker
    )
    dot = style.DOT | {"color": colour, "alpha": 0.45}
    for look, part in ((dot, ~lost), (CROSS, lost)):
        of_part = seeds[part].dropna()
        axes.plot(of_part, [y + 0.27] * len(of_part), zorder=2, **look)
    if row["selected"]:
        style.mark_selected(axes, pd.Series([row["mean"]]), pd.Series([y]))


def _explain(axes: Axes, differences: Measured, lost: pd.DataFrame) -> None:
    """Entries of the legend, in no colour of a family."""
    line = {"color": style.NEUTRAL, "solid_capstyle": "butt"}
    axes.plot([np.nan], [np.nan], marker="o", linewidth=2.0, label=INNER, **line)
    axes.plot([np.nan], [np.nan], linewidth=0.7, label=OUTER, **line)
    style.label_seeds(axes, differences.seeds)
    if (lost & differences.seeds.notna()).any(axis=None):
        axes.plot([np.nan], [np.nan], label=COLLAPSED, **CROSS)


def _write_value(axes: Axes, y: int, row: pd.Series) -> None:
    """Mean and half width of the variant's own value, in a column at the right."""
    text = f"{row['mean']:.2f}"
    if row["collapsed"]:
        text += f" ({row['collapsed']} collapsed)"
    elif row["low"] < row["high"]:
        text += f" ± {row['high'] - row['mean']:.2f}"
    place = axes.get_yaxis_transform()
    axes.text(1.06, y, text, transform=place, va="center", ha="center", fontsize=8)
