"""Recall and precision of a detector over the first coefficient; shared by two figures.

AR and AP have panels of their own: they lie tens of points apart and need not move together. Their
differences to the reference are drawn, and the level that these are to be added to stands above.
"""

from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.figures.epsilon_curves import draw_epsilon_curve, mark_published, mark_selected
from polyrepro.figures.measured import Tables
from polyrepro.figures.names import METRIC_LABELS
from polyrepro.studies import STUDIES

METRICS = ("box_ar100", "box_ap", "mask_ar100", "mask_ap")


def draw_curves(
    tables: Tables, study: str, reference_label: str, metrics: tuple[str, ...] = METRICS
) -> Figure:
    """A panel per metric that was measured: differences to the reference paired by seed."""
    measured = set(tables.statistics.query("study == @study and split == 'test'")["metric"])
    shown = [metric for metric in metrics if metric in measured]
    drawing, panels = style.new_figure(style.TEXT_WIDTH, 2.6, ncols=len(shown), sharey=True)
    for axes, metric in zip(panels, shown, strict=True):
        values = tables.measured(study, metric)
        differences = tables.measured(study, metric, paired=True)
        level = values.rows["mean"].get(STUDIES[study].reference, float("nan"))
        style.draw_threshold(axes, 0)
        draw_epsilon_curve(axes, differences, reference_label)
        if metric == STUDIES[study].metric and STUDIES[study].selections:
            mark_selected(axes, differences, STUDIES[study].selections[0].name)
        mark_published(axes, differences, study, metric)
        title = f"{METRIC_LABELS[metric]}\n{reference_label}: {level:.1f} %"
        style.describe(axes, title)
    panels[0].set(ylabel=f"paired difference to\n{reference_label} (points)")
    style.label_seeds(panels[-1], values.seeds)
    style.legend_above(drawing, *panels)
    return drawing
