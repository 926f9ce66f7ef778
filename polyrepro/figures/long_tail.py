"""Test accuracy on head, middle and tail classes of the long-tailed split (study `long_tail`).

The analogue of the paper's ImageNet-21K experiment: most training images belong to a few classes,
the test images are balanced. The groups' accuracies lie tens of points apart, their differences to
cross-entropy about one, so the differences are drawn and cross-entropy's accuracy is given above.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.figures.epsilon_curves import draw_epsilon_curve, mark_published, mark_selected
from polyrepro.figures.measured import Tables
from polyrepro.studies.long_tail import BEST

GROUPS = {
    "top1_head": "head classes",
    "top1_middle": "middle classes",
    "top1_tail": "tail classes",
    "top1": "all classes",
}


def figure(tables: Tables) -> Figure:
    """Paired differences of top-1 to cross-entropy over the first coefficient, group by group."""
    drawing, panels = style.new_figure(style.TEXT_WIDTH, 2.6, ncols=len(GROUPS), sharey=True)
    for axes, metric in zip(panels, GROUPS, strict=True):
        _draw_group(axes, tables, metric)
    panels[0].set(ylabel=style.DIFFERENCE_LABEL)
    style.label_seeds(panels[-1], tables.measured("long_tail", "top1").seeds)
    style.legend_above(drawing, *panels)
    return drawing


def _draw_group(axes: Axes, tables: Tables, metric: str) -> None:
    """One panel; its title gives the level that the differences are to be added to."""
    values = tables.measured("long_tail", metric)
    level = values.where(values.is_reference).rows["mean"].iloc[0]
    differences = tables.measured("long_tail", metric, paired=True)
    style.draw_threshold(axes, 0)
    draw_epsilon_curve(axes, differences)
    if metric == "top1":
        mark_selected(axes, differences, BEST.name)
    mark_published(axes, differences, "long_tail", metric)
    style.describe(axes, f"{GROUPS[metric]}\ncross-entropy: {level:.1f} %")
