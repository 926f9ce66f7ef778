"""Confidence and calibration of Poly-1 against its coefficient (study `epsilon_sweep`).

After the paper's remark that a positive coefficient raises the mean P_t and a negative one lowers
it. The expected calibration error is that of Guo et al. (ICML 2017), with 15 bins. Where it was
measured after temperature scaling, too, both stand side by side: what is left of a difference then
is none of confidence alone.
"""

from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.figures.epsilon_curves import draw_epsilon_curve
from polyrepro.figures.measured import Tables


def figure(tables: Tables) -> Figure:
    """Mean P_t and expected calibration error on test images, over the first coefficient."""
    drawing, panels = style.new_figure(style.TEXT_WIDTH, 2.3, ncols=2)
    names = {"mean_pt": "mean $P_t$ on test images", "ece": "calibration error (%)"}
    for axes, (metric, label) in zip(panels, names.items(), strict=True):
        measured = tables.measured("epsilon_sweep", metric)
        draw_epsilon_curve(axes, measured)
        axes.set(ylabel=label)
    if "ece_scaled" in set(tables.statistics.query("study == 'epsilon_sweep'")["metric"]):
        scaled = tables.measured("epsilon_sweep", "ece_scaled").epsilon_curve
        look = {"colour": style.NEUTRAL, "marker": "^", "label": "after temperature scaling"}
        style.draw_measured(panels[1], scaled.epsilon1, scaled, **look)
        panels[1].set_ylim(bottom=0)
    style.label_seeds(panels[1], measured.seeds)
    style.legend_above(drawing, *panels)
    return drawing
