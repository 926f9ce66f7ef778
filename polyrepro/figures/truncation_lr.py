"""Test accuracy of truncated losses against the learning rate (study `truncation_lr`).

After the paper's ablation of the truncation experiment: a lower accuracy that came from the step
size alone would be made up for at another learning rate. Differences are paired by seed, to
cross-entropy at its usual rate.
"""

from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import scales, style
from polyrepro.figures.measured import Measured, Tables


def figure(tables: Tables) -> Figure:
    """Top-1 over the initial learning rate, and differences; a line per number of terms."""
    drawing, panels = style.new_figure(style.TEXT_WIDTH, 2.6, ncols=2)
    for axes, paired in zip(panels, (False, True), strict=True):
        measured = tables.measured("truncation_lr", "top1", paired=paired).of_family
        # Without coefficients: cross-entropy and its truncations.
        measured = measured.where(measured.rows["epsilon"] == "")
        _draw_lines(axes, measured)
        scales.logarithmic_axis(axes, measured.rows["learning_rate"], closest=1.3)
        axes.margins(x=0.08)
        axes.set(xlabel="initial learning rate")
        # An interval over collapsed runs would leave the range of accuracies.
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -102 if paired else -2), min(high, 102))
    panels[0].set(ylabel="test top-1 (%)")
    style.draw_threshold(panels[1], 0)
    scale = scales.scale_differences(panels[1], measured.seeds.to_numpy().ravel(), axis="y")
    panels[1].set(ylabel=f"paired difference (points\nof top-1{scale})")
    style.label_seeds(panels[1], measured.seeds)
    style.legend_above(drawing, *panels)
    return drawing


def _draw_lines(axes: Axes, measured: Measured) -> None:
    """Draw cross-entropy and each number of terms."""
    terms = measured.rows["terms"]
    counts = sorted(terms.dropna().unique())
    colours = style.shades(style.TRUNCATED, len(counts))
    looks = {None: ("cross-entropy", style.CROSS_ENTROPY, "o")}
    # A larger grid repeats markers rather than lose a line.
    for n, colour, marker in zip(counts, colours, cycle("^sDv"), strict=False):
        looks[n] = (f"$N = {n:g}$", colour, marker)
    for number, (n, (label, colour, marker)) in enumerate(looks.items()):
        part = measured.where(terms.isna() if n is None else terms.eq(n).fillna(False))
        style.draw_measured(
            axes,
            part.rows["learning_rate"],
            part,
            colour=colour,
            marker=marker,
            label=label,
            shift=5 * (number - (len(looks) - 1) / 2),
        )
