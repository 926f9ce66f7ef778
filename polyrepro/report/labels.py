"""Numbers, metrics and contrasts as a reader sees them."""

import math

METRIC_LABELS = {
    "top1": "top-1",
    "box_ap": "box AP",
    "box_ar100": "box AR",
    "mask_ap": "mask AP",
    "mask_ar100": "mask AR",
}
"""Metrics in percent that a study can be about, as tables call them."""


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


def with_half_width(mean: float, high: float, digits: int, shown=number) -> str:
    """A mean and the half width of its interval, which is symmetric: `86.62 ± 0.46`."""
    return f"{shown(mean, digits)} ± {number(high - mean, digits)}"


def contrast_label(contrast: str, labels: dict[str, str]) -> str:
    """A contrast of `claims.csv` with variants in words: `Poly-1 (ε₁ = 2) − cross-entropy`."""
    _, _, terms = contrast.partition(": ")
    return " ".join("−" if word == "-" else labels.get(word, word) for word in terms.split(" "))
