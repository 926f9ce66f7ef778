"""Confidence and calibration of Poly-1 against its coefficient (study `epsilon_sweep`).

After the paper's remark that a positive coefficient raises the mean P_t and a negative one lowers
it. The expected calibration error is that of Guo et al. (ICML 2017), with 15 bins.
"""

from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.figures.measured import Tables


def figure(tables: Tables) -> Figure:
    """Mean P_t and expected calibration error on test images, over the first coefficient."""
    drawing, panels = style.new_figure(style.TEXT_WIDTH, 2.3, ncols=2)
    names = {"mean_pt": "mean $P_t$ on test images", "ece": "expected calibration error (%)"}
    for axes, (metric, label) in zip(panels, names.items(), strict=True):
        style.draw_epsilon_curve(axes, tables.measured("epsilon_sweep", metric))
        axes.set(ylabel=label)
    style.legend_above(drawing, *panels, columns=2)
    return drawing
