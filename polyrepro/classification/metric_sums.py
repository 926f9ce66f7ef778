"""What is measured on predictions: accuracy, P_t, calibration, share of the leading term."""

import torch
from torch import Tensor

from polyrepro.classification.calibration_bins import ECE_BINS
from polyrepro.losses import Series, leading_term, series_cross_entropy

MEANS = ("loss", "cross_entropy", "top1", "mean_pt", "leading_share")


class Metrics:
    """Turns predictions into sums, which add up over batches and processes, and sums into metrics.

    Args:
        series: the trained loss.
        class_groups: named groups of classes whose accuracy is reported apart.
    """

    def __init__(self, series: Series, class_groups: dict[str, tuple[int, ...]]) -> None:
        self._series, self._groups = series, class_groups
        self._group_tensors: dict[torch.device, dict[str, Tensor]] = {}

    def none(self, device: torch.device) -> Tensor:
        """The sums over no predictions."""
        size = 1 + len(MEANS) + 2 + ECE_BINS + 2 * len(self._groups)
        return torch.zeros(size, dtype=torch.float64, device=device)

    @torch.no_grad()
    def sums(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The sums over some predictions: float64, on the device of the logits.

        Args:
            logits: (images, classes).
            targets: (images,) class indices, or (images, classes) probabilities.
        """
        logits = logits.detach().float()
        log_p = logits.log_softmax(dim=1)
        confidence, predicted = log_p.max(dim=1)
        confidence = confidence.exp()
        log_pt = target_log_probability(log_p, targets)
        if targets.is_floating_point():
            cross_entropy = -(targets * log_p).sum(dim=1)
            loss = series_cross_entropy(logits, targets, self._series, reduction="none")
            correct = (targets.gather(1, predicted[:, None]).squeeze(1) > 0).float()
        else:
            cross_entropy, loss = -log_pt, self._series.value(log_pt)
            correct = (predicted == targets).float()
        columns = [torch.ones_like(loss), loss, cross_entropy, correct, log_pt.exp()]
        columns += leading_term(self._series, log_pt)
        sums = torch.stack([column.double() for column in columns]).sum(dim=1)
        parts = [sums, calibration_gaps(confidence, correct).double()]
        for name in self._groups:
            # Neither a selection, whose size the CPU would have to know, nor a copy per batch.
            member = torch.isin(targets, self._classes_on(targets.device)[name])
            parts.append(torch.stack([member.sum(), (correct * member).sum()]).double())
        return torch.cat(parts)

    def _classes_on(self, device: torch.device) -> dict[str, Tensor]:
        if device not in self._group_tensors:
            self._group_tensors[device] = {
                name: torch.tensor(classes, device=device) for name, classes in self._groups.items()
            }
        return self._group_tensors[device]

    def values(self, sums: Tensor) -> dict[str, float]:
        """The metrics.

        Returns:
            loss: mean of the trained loss, without class weights; cross_entropy: mean of -log P_t,
                for any variant (of the expectation over the labels, if there are several).
            top1: accuracy in percent; with several labels, any of them counts. top1_<group>: the
                same over a group of classes.
            mean_pt: mean probability of the target class, 0..1.
            ece: expected calibration error in percent (see `calibration_gaps`).
            leading_share: mean over images of the share of the gradient that comes from the leading
                term of the series; for cross-entropy it is P_t.
            leading_share_weighted: share of the leading term in the summed gradient magnitudes
                (each image's gradient is w(P_t) q times a unit vector), which well-classified
                images hardly move.
        """
        numbers = sums.tolist()
        count, means = numbers[0], numbers[1 : 1 + len(MEANS)]
        leading, total, *rest = numbers[1 + len(MEANS) :]
        metrics = {name: value / count for name, value in zip(MEANS, means, strict=True)}
        metrics["top1"] *= 100
        metrics["ece"] = 100 * sum(abs(gap) for gap in rest[:ECE_BINS]) / count
        metrics["leading_share_weighted"] = leading / total if total else 0.0
        pairs = zip(rest[ECE_BINS::2], rest[ECE_BINS + 1 :: 2], strict=True)
        for group, (members, correct) in zip(self._groups, pairs, strict=True):
            if members:
                metrics[f"top1_{group}"] = 100 * correct / members
        return metrics


def target_log_probability(log_p: Tensor, targets: Tensor) -> Tensor:
    """log P_t, (images,); of an image with several labels, P_t is the mean over them.

    Args:
        log_p: (images, classes), logarithms of the predicted probabilities.
        targets: (images,) class indices, or (images, classes) probabilities.
    """
    if targets.is_floating_point():
        return (targets * log_p.exp()).sum(dim=1).log()
    return log_p.gather(1, targets[:, None]).squeeze(1)


def calibration_gaps(confidence: Tensor, correct: Tensor) -> Tensor:
    """Per bin the sum of accuracy minus confidence (Guo et al., ICML 2017, eq. 3), 15 equal bins.

    The expected calibration error is the sum of their magnitudes over the number of images.

    Args:
        confidence: (images,), probability of the predicted class.
        correct: (images,), 1 where the prediction is right, else 0.
    """
    # NaN becomes the smallest integer; the step is refused later, for its loss.
    bins = (confidence * ECE_BINS).long().clamp(0, ECE_BINS - 1)
    gaps = torch.zeros(ECE_BINS, device=confidence.device)
    if gaps.is_cuda:
        # index_add has no deterministic order there; a matrix product has.
        return torch.nn.functional.one_hot(bins, ECE_BINS).float().T @ (correct - confidence)
    return gaps.index_add(0, bins, correct - confidence)
