"""From logits and labels of pixels to sums that add up."""

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.data.lidar.range_images import BACKGROUND
from polyrepro.losses import Series
from polyrepro.losses.target_probability_sums import BINS as PROBABILITY_BINS
from polyrepro.losses.target_probability_sums import probability_sums
from polyrepro.segmentation.metrics import BINS, LARGEST_LOGIT


def score_counts(logits: Tensor, labels: Tensor, groups: int) -> Tensor:
    """Pixels per sweep, label and bin of the logit: int64, (sweeps, groups, BINS), on the CPU.

    Args:
        logits, labels: (sweeps, beams, columns); pixels with a label of -1 do not count.
        groups: number of labels.
    """
    places = (logits.float() / LARGEST_LOGIT + 1) / 2 * BINS
    places = places.clamp(0, BINS - 1).long()
    sweeps = torch.arange(len(logits), device=logits.device)[:, None, None]
    places = places + BINS * (labels + groups * sweeps)
    counts = torch.bincount(places[labels >= 0], minlength=len(logits) * groups * BINS)
    return counts.view(len(logits), groups, BINS).cpu()


def group_sums(series: Series, logits: Tensor, labels: Tensor) -> Tensor:
    """Sums of P_t by group; see :mod:`polyrepro.losses.target_probability_sums`."""
    groups = (logits[labels > BACKGROUND], -logits[labels == BACKGROUND])
    return torch.stack(
        [
            probability_sums(series, functional.logsigmoid(signed.float()), PROBABILITY_BINS)
            for signed in groups
        ]
    )
