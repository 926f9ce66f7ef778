"""Scales, limits and ticks of axes that fit what they show."""

import math
from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

MOST_LINEAR = 8.0
"""Differences beyond this are drawn logarithmically where others lie within one unit."""


def logarithmic_axis(axes: Axes, values: Iterable[float], closest: float = 1.9) -> None:
    """A logarithmic x axis with a tick at each value of a grid and nowhere else.

    Args:
        closest: smallest ratio of values that are both labelled; powers of ten come first.
    """
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    ticks = sorted(set(values))
    labelled: list[float] = []
    for tick in sorted(ticks, key=lambda value: (math.log10(value) % 1 != 0, value)):
        if all(max(tick / other, other / tick) >= closest for other in labelled):
            labelled.append(tick)
    axes.set_xticks(ticks, [f"{tick:g}" if tick in labelled else "" for tick in ticks])


def plain_ticks() -> MaxNLocator:
    """Ticks at steps of 1, 2 or 5 times a power of ten."""
    return MaxNLocator(nbins=7, steps=[1, 2, 5, 10])


def scale_differences(axes: Axes, values: Iterable[float], axis: str = "x") -> str:
    """Choose the scale of the axis of differences; what is to be said about it in its label."""
    finite = np.array([value for value in values if np.isfinite(value)])
    largest = np.abs(finite).max() if len(finite) else 1.0
    along = axes.xaxis if axis == "x" else axes.yaxis
    along.set_major_formatter(FuncFormatter(_signed))
    if largest <= MOST_LINEAR or np.abs(finite).min() > 1:
        along.set_major_locator(plain_ticks())
        return ""
    set_scale = axes.set_xscale if axis == "x" else axes.set_yscale
    set_scale("symlog", linthresh=1, linscale=1)
    ends = [float(finite.min()), float(finite.max())]
    ticks = [-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100]
    if max(-ends[0], ends[1]) > ticks[-1]:  # no room for two in a decade
        ticks = [-1000, -100, -10, -1, 0, 1, 10, 100, 1000]
    along.set_ticks([tick for tick in ticks if 1.2 * min(*ends, -1) <= tick <= 1.2 * max(*ends, 1)])
    along.set_major_formatter(FuncFormatter(_signed))
    axes.minorticks_off()
    return "; logarithmic beyond 1"


def fit_limits(axes: Axes, values: Iterable[float], room: float = 0.04) -> None:
    """Limits of the x axis around these values, with a part of its length left on each side."""
    finite = [value for value in values if np.isfinite(value)]
    if not finite or min(finite) == max(finite):
        return
    scale = axes.xaxis.get_transform()
    low, high = scale.transform(np.array([min(finite), max(finite)]))
    beside = room * (high - low)
    axes.set_xlim(*scale.inverted().transform(np.array([low - beside, high + beside])))


def _signed(value: float, _: int) -> str:
    return f"{value:+g}".replace("-", "−") if value else "0"
