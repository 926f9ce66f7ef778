"""Average precision and recall of a detector over the first coefficient; shared by two figures."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.figures.measured import Tables
from polyrepro.studies import STUDIES

SERIES = {
    "ar100": ("AR (at most 100 detections)", style.POLY, "o", -2.5),
    "ap": ("AP", style.PRECISION, "^", 2.5),
}
"""Metric to label, colour, marker, and shift in points, so that the two do not cover each other."""


def draw_curves(tables: Tables, study: str, reference_label: str) -> Figure:
    """A row per kind (box, mask) that was measured: values, and differences to the reference."""
    measured = set(tables.statistics.query("study == @study and split == 'test'")["metric"])
    kinds = [kind for kind in ("box", "mask") if f"{kind}_ap" in measured]
    drawing, panels = style.new_figure(
        style.TEXT_WIDTH, 0.6 + 1.8 * len(kinds), nrows=len(kinds), ncols=2, sharex=True
    )
    for number, kind in enumerate(kinds):
        values, differences = panels[2 * number : 2 * number + 2]
        for metric in SERIES:
            _draw_series(values, tables, study, kind, metric, reference_label, paired=False)
            _draw_series(differences, tables, study, kind, metric, reference_label, paired=True)
        style.draw_threshold(differences, 0)
        values.set(ylabel=f"{kind} AP and AR (%)")
        differences.set(ylabel=f"paired difference to\n{reference_label} (points)")
    for axes in panels[-2:]:
        axes.set(xlabel=style.EPSILON_LABEL)
    style.legend_above(drawing, *panels, columns=4)
    return drawing


def _draw_series(
    axes: Axes,
    tables: Tables,
    study: str,
    kind: str,
    metric: str,
    reference_label: str,
    *,
    paired: bool,
) -> None:
    label, colour, marker, shift = SERIES[metric]
    measured = tables.measured(study, f"{kind}_{metric}", paired=paired)
    x, reference = measured.epsilon1.sort_values(), measured.is_reference
    moved = style.shifted(axes, shift)
    axes.plot(x, measured.rows.loc[x.index, "mean"], color=colour, transform=moved)
    style.draw_measured(
        axes,
        x[~reference],
        measured,
        colour=colour,
        marker=marker,
        label=label,
        line="none",
        shift=shift,
    )
    style.draw_measured(
        axes,
        x[reference],
        measured,
        colour=style.CROSS_ENTROPY,
        marker="s",
        label=reference_label,
        line="none",
        # Its difference to itself is zero in both series: one point.
        shift=0 if paired else shift,
    )
    if metric == "ar100" and kind == "box":
        style.mark_selected(axes, measured, STUDIES[study].selections[0].name, shift)
    axes.xaxis.set_major_locator(style.whole_numbers())
