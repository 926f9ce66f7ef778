"""Metrics and contrasts in a reader's words, for figures and report alike."""

METRIC_LABELS = {
    "top1": "top-1",
    "box_ap": "box AP",
    "box_ar100": "box AR",
    "mask_ap": "mask AP",
    "mask_ar100": "mask AR",
}
"""Metrics in percent that a study can be about, as tables call them."""

UNITS = {
    "points of top-1": ("top1",),
    "points of AP or AR": ("box_", "mask_"),
    "P_t": ("mean_pt",),
    "share of the gradient": ("leading_share",),
}
"""What a difference is measured in, to the beginnings of the names of its metrics."""


def unit_of(metric: str) -> str:
    """The unit of a metric's differences; the metric itself if it has none of `UNITS`."""
    for unit, beginnings in UNITS.items():
        if metric.startswith(beginnings):
            return unit
    return metric


def contrast_label(contrast: str, labels: dict[str, str]) -> str:
    """A contrast of `claims.csv` with variants in words: `Poly-1 (ε₁ = 2) − cross-entropy`."""
    _, _, terms = contrast.partition(": ")
    return " ".join("−" if word == "-" else labels.get(word, word) for word in terms.split(" "))
