"""P_t of a detector's classification: per group, its mean, histogram, and the leading term's part.

Groups are foreground and background: with softmax the samples of a class and those of the last
channel; with sigmoid the elements (sample, class) that are 1 and those that are 0.
"""

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.detection.losses.targets import NO_INDEX, element_weight, sigmoid_labels
from polyrepro.detection.replacement import LossKind
from polyrepro.losses.target_probability_sums import GROUPS, SUMS, probability_sums

# A dense head has millions of elements per step; in pieces, their sums need little memory.
PIECE = 2**20


def target_log_probabilities(
    kind: LossKind, logits: Tensor, label: Tensor, weight: Tensor | None = None
) -> dict[str, Tensor]:
    """``log P_t`` of every sample that counts, by group; flat float32 tensors.

    Args:
        kind: what the loss computes.
        logits, label, weight: as the loss gets them. Samples of weight 0, ignored ones, and with
            sigmoid labels strictly between 0 and 1 do not count.
    """
    ignored = NO_INDEX if kind.ignore_index is None else kind.ignore_index
    logits = logits.detach().float()
    if kind.sigmoid:
        return _sigmoid_groups(logits, label, weight, ignored)
    counts = label != ignored
    if weight is not None:
        counts = counts & (weight > 0)
    label = label.where(counts, 0)
    log_pt = functional.log_softmax(logits, 1).gather(1, label.unsqueeze(1)).squeeze(1)
    background = label == logits.shape[1] - 1
    groups = {"foreground": counts & ~background, "background": counts & background}
    return {name: log_pt[mask] for name, mask in groups.items()}


def _sigmoid_groups(
    logits: Tensor, label: Tensor, weight: Tensor | None, ignored: int
) -> dict[str, Tensor]:
    if weight is not None and label.dim() == logits.dim():
        weight = element_weight(weight, logits)
    labels, weight, _ = sigmoid_labels(logits, label, weight, ignored)
    counts = (weight > 0).expand(logits.shape)
    one, zero = counts & (labels == 1), counts & (labels == 0)
    return {
        "foreground": functional.logsigmoid(logits[one]),
        "background": functional.logsigmoid(-logits[zero]),
    }


class TargetProbabilityMeter:
    """Adds up P_t over training steps, on the device, so that no step waits for a number.

    Args:
        kind: what the loss computes.
        bins: number of equal bins of the histogram over [0, 1].
    """

    def __init__(self, kind: LossKind, bins: int) -> None:
        self.kind = kind
        self.bins = bins
        self._sums: dict[str, Tensor] = {}

    def update(self, logits: Tensor, label: Tensor, weight: Tensor | None = None) -> None:
        """Add the samples of one call of the loss."""
        groups = target_log_probabilities(self.kind, logits, label, weight)
        for name, log_pt in groups.items():
            pieces = log_pt.split(PIECE)
            sums = sum(probability_sums(self.kind.series, piece, self.bins) for piece in pieces)
            self._sums[name] = self._sums[name] + sums if name in self._sums else sums

    def state(self, device: torch.device | None = None) -> Tensor:
        """(groups, bins + 5): what has been added up, to be summed over processes."""
        empty = torch.zeros(self.bins + SUMS, dtype=torch.float64, device=device)
        return torch.stack([self._sums.get(name, empty) for name in GROUPS])

    def load(self, state: Tensor) -> None:
        """Go on from what :meth:`state` gave."""
        self._sums = dict(zip(GROUPS, state, strict=True))

    def reset(self) -> None:
        """Forget all samples."""
        self._sums.clear()
