"""Test accuracy of Poly-1 against its coefficient (study `epsilon_sweep`).

After the paper's Poly-1 experiments. Cross-entropy is the point at 0 of the same curve; differences
to it are paired by seed, which removes what initial weights and order of images have in common.
"""

from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.figures.epsilon_curves import draw_epsilon_curve, mark_selected
from polyrepro.figures.measured import Tables
from polyrepro.studies.epsilon_sweep import BEST


def figure(tables: Tables) -> Figure:
    """Top-1 over the first coefficient, and its paired difference to cross-entropy."""
    drawing, panels = style.new_figure(style.TEXT_WIDTH, 2.3, ncols=2)
    for axes, paired in zip(panels, (False, True), strict=True):
        measured = tables.measured("epsilon_sweep", "top1", paired=paired)
        draw_epsilon_curve(axes, measured)
        mark_selected(axes, measured, BEST.name)
    panels[0].set(ylabel="test top-1 (%)")
    panels[1].set(ylabel=style.DIFFERENCE_LABEL)
    style.draw_threshold(panels[1], 0)
    style.label_seeds(panels[1], measured.seeds)
    style.legend_above(drawing, *panels)
    return drawing
