"""P_t of foreground and background as sums that add up over steps and processes.

Shared by the heads of detectors and by segmentation; the figures read what :func:`summarised` gives
from the lines of `target_probability.jsonl`.
"""

import torch
from torch import Tensor

from polyrepro.losses.series import Series, leading_term

GROUPS = ("foreground", "background")
BINS = 20
"""Equal bins of the histogram over [0, 1], unless another number is given."""
SUMS = 5
"""Sums after the histogram: 1, P_t, share of the leading term, leading and whole gradient."""


def probability_sums(series: Series, log_pt: Tensor, bins: int) -> Tensor:
    """Histogram of P_t, then the `SUMS`: float64, (bins + 5,).

    Args:
        series: the trained loss.
        log_pt: of the samples of one group, flat.
    """
    pt = log_pt.double().exp()
    places = (pt * bins).long().clamp(max=bins - 1)
    histogram = torch.bincount(places, minlength=bins).double()
    sums = [torch.ones_like(pt), pt, *leading_term(series, log_pt)]
    return torch.cat([histogram, torch.stack([value.sum() for value in sums])])


def summarised(state: Tensor, bins: int) -> dict[str, dict[str, object]]:
    """Per group, from the sums of `GROUPS`, (2, bins + 5); None where there was no sample.

    Returns:
        count: samples or elements. histogram: how many per bin of P_t, from 0 to 1.
        mean_pt: mean of P_t. leading_share: mean over samples of the leading term's part of the
        gradient weight. leading_share_weighted: its part of the summed magnitudes of the gradients
        by the target's logit.
    """
    summary = {}
    for name, row in zip(GROUPS, state.tolist(), strict=True):
        count, pt, share, leading, whole = row[bins:]
        summary[name] = {
            "count": int(count),
            "mean_pt": pt / count if count else None,
            "leading_share": share / count if count else None,
            "leading_share_weighted": leading / whole if whole else None,
            "histogram": [int(number) for number in row[:bins]],
        }
    return summary


def means_of(summary: dict[str, dict]) -> dict[str, float]:
    """What of a summary belongs in a history: means of P_t, and shares of the leading term."""
    seen = {group: summary[group] for group in GROUPS if summary[group]["count"]}
    count = sum(group["count"] for group in seen.values())
    return {
        f"{name}_{group}": values[name]
        for group, values in seen.items()
        for name in ("mean_pt", "leading_share")
    } | {"mean_pt": sum(g["mean_pt"] * g["count"] for g in seen.values()) / count}
