"""Test accuracy of truncated losses against the learning rate (study `truncation_lr`).

After the paper's ablation of the truncation experiment: a lower accuracy that came from the step
size alone would be made up for at another learning rate.
"""

from itertools import cycle

from matplotlib.figure import Figure

from polyrepro.figures import style
from polyrepro.figures.measured import Tables


def figure(tables: Tables) -> Figure:
    """Top-1 over the initial learning rate; one line per number of terms, and cross-entropy's."""
    measured = tables.measured("truncation_lr", "top1").of_family
    # Without coefficients: cross-entropy and its truncations.
    measured = measured.where(measured.rows["epsilon"] == "")
    drawing, (axes,) = style.new_figure(style.TEXT_WIDTH, 2.6)
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
            shift=7 * (number - (len(looks) - 1) / 2),
        )
    style.logarithmic_axis(axes, measured.rows["learning_rate"], closest=1.3)
    axes.margins(x=0.08)
    axes.set(xlabel="initial learning rate", ylabel="test top-1 (%)")
    # An interval over collapsed runs would leave the range of accuracies.
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -2), min(high, 102))
    style.legend_above(drawing, axes, columns=len(looks))
    return drawing
