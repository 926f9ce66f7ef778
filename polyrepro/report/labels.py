"""Numbers as a reader sees them."""

import math
from collections.abc import Sequence

from polyrepro.figures.names import METRIC_LABELS, contrast_label

__all__ = [
    "METRIC_LABELS",
    "contrast_label",
    "interval",
    "listed",
    "number",
    "seeds_text",
    "signed",
    "with_half_width",
]


def number(value: float, digits: int) -> str:
    """A number with a true minus sign; an en dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int) -> str:
    """A difference: always with its sign."""
    text = number(value, digits)
    return text if text == "–" or text.startswith("−") else f"+{text}"


def interval(low: float, high: float, digits: int, shown=number) -> str:
    """The ends of an interval; in words where a single seed gives none."""
    if math.isnan(low):
        return "no interval"
    return f"{shown(low, digits)} to {shown(high, digits)}"


def listed(parts: Sequence[str]) -> str:
    """Parts as a sentence lists them: `a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def with_half_width(mean: float, high: float, digits: int, shown=number) -> str:
    """A mean and the half width of its interval, which is symmetric: `86.62 ± 0.46`."""
    return f"{shown(mean, digits)} ± {number(high - mean, digits)}"


def seeds_text(value: float) -> str:
    """A number of seeds that would be needed; infinity stands for more than anybody trains."""
    if math.isinf(value):
        return "> 9999"
    return number(value, 0)
