"""Metrics, contrasts and claims in a reader's words, for figures and report alike."""

import re

import pandas as pd

from polyrepro.analysis.metrics_units import PRECISION_OR_RECALL
from polyrepro.analysis.steps_to_accuracy import LEVELS, METRIC
from polyrepro.variants import REFERENCE

DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
SUBSCRIPTED = re.compile("ε([₀-₉]+)")
POWER = re.compile(r"\(1 − \$P_t\$\)\^([\d.]+)")

METRIC_LABELS = {
    "top1": "top-1",
    "top1_rare": "top-1 of the rare class",
    "box_ap": "box AP",
    "box_ar100": "box AR",
    "mask_ap": "mask AP",
    "mask_ar100": "mask AR",
    "ap_l1": "mean AP L1",
    "aph_l1": "mean APH L1",
    "vehicle_ap_l1": "vehicle AP L1",
    "vehicle_aph_l1": "vehicle APH L1",
    "pedestrian_ap_l1": "pedestrian AP L1",
    "pedestrian_aph_l1": "pedestrian APH L1",
    "ap40_easy": "AP40 easy",
    "ap40_moderate": "AP40 moderate",
    "ap40_hard": "AP40 hard",
    "car_ap40_moderate": "car AP40",
    "pedestrian_ap40_moderate": "pedestrian AP40",
    "cyclist_ap40_moderate": "cyclist AP40",
    "bev_ap40_moderate": "AP40 from above",
    "ap11_moderate": "AP11 moderate",
    "foreground_ap": "foreground AP",
    "foreground_precision": "precision at 99 % recall",
    "points_kept": "kept at 99 % recall",
    "vehicle_foreground_ap": "AP of vehicles",
    "pedestrian_foreground_ap": "AP of pedestrians",
}
"""Metrics in percent that a study can be about, as tables call them."""

OTHER_LABELS = {
    "leading_share": "mean over images",
    "leading_share_weighted": "summed gradients",
    **{METRIC.format(level): f"steps to {level} %" for level in LEVELS},
}
"""Other metrics that a unit's name does not tell apart."""

PRECISION_OR_RECALL_UNIT = "points of AP or AR"
UNITS = {
    "points of top-1": ("top1",),
    PRECISION_OR_RECALL_UNIT: PRECISION_OR_RECALL,
    "P_t": ("mean_pt",),
    "share of the gradient": ("leading_share",),
    "steps": ("steps_to_",),
}
"""What a difference is measured in, to the beginnings of the names of its metrics."""


def unit_of(metric: str) -> str:
    """The unit of a metric's differences; the metric itself if it has none of `UNITS`."""
    for unit, beginnings in UNITS.items():
        if metric.startswith(beginnings):
            return unit
    return metric


def told_apart(metric: str) -> str:
    """A metric in words before a contrast, `box AR: `; empty where the unit says it already."""
    name = (METRIC_LABELS | OTHER_LABELS).get(metric, "")
    return f"{name}: " if name and unit_of(metric) != f"points of {name}" else ""


def contrast_label(contrast: str, labels: dict[str, str]) -> str:
    """A contrast of `claims.csv` with variants in words: `Poly-1 (ε₁ = 2) − cross-entropy`."""
    _, _, terms = contrast.partition(": ")
    if terms == "0":  # everything cancels
        return "the baseline itself was chosen"
    return " ".join("−" if word == "-" else labels.get(word, word) for word in terms.split(" "))


def labels_of(statistics: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Labels of variants, by study and variant; plain cross-entropy is short."""
    pairs = statistics.drop_duplicates(["study", "variant"])
    return {
        (row.study, row.variant): "CE" if row.variant == REFERENCE else row.label
        for row in pairs.itertuples()
    }


def mathematical(text: str) -> str:
    """A label with its symbols as mathematics: the text's font has no subscript digits."""
    text = SUBSCRIPTED.sub(lambda found: f"$\\epsilon_{{{found[1].translate(DIGITS)}}}$", text)
    return POWER.sub(r"$(1 - P_t)^{\1}$", text.replace("P_t", "$P_t$"))
