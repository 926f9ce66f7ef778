"""What is measured on predictions: accuracy, P_t, calibration, share of the leading term."""

import torch
from torch import Tensor, nn

from polyrepro.classification.batches import MemoryBatches
from polyrepro.losses import PolySeries

ECE_BINS = 15


class PredictionMeter:
    """Collects logits and labels; `compute` gives the metrics over everything collected.

    Values stay on the device until `compute`, so a training step is not held up.
    """

    def __init__(self, series: PolySeries) -> None:
        self._series = series
        self._batches: list[dict[str, Tensor]] = []

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add predictions: logits (batch, classes), labels (batch,)."""
        log_p = logits.detach().float().log_softmax(dim=1)
        confidence, predicted = log_p.max(dim=1)
        self._batches.append(
            {
                "log_pt": log_p.gather(1, labels[:, None]).squeeze(1),
                "confidence": confidence.exp(),
                "correct": (predicted == labels).float(),
                "labels": labels,
            }
        )

    def compute(self, class_groups: dict[str, tuple[int, ...]] | None = None) -> dict[str, float]:
        """Metrics over all predictions since the last `reset`.

        Returns:
            loss: mean of the trained loss; cross_entropy: mean of -log P_t, for any variant.
            top1: accuracy in percent; top1_<group>: the same over a group of classes.
            mean_pt: mean probability of the target class, 0..1.
            ece: expected calibration error in percent (see `expected_calibration_error`).
            leading_share, leading_share_weighted: see `leading_term_shares`.
        """
        joined = self.state()
        log_pt, correct, labels = joined["log_pt"], joined["correct"], joined["labels"]
        share, weighted_share = leading_term_shares(self._series, log_pt)
        metrics = {
            "loss": self._series.value(log_pt).mean(),
            "cross_entropy": -log_pt.mean(),
            "top1": 100 * correct.mean(),
            "mean_pt": log_pt.exp().mean(),
            "ece": 100 * expected_calibration_error(joined["confidence"], correct),
            "leading_share": share,
            "leading_share_weighted": weighted_share,
        }
        for group, classes in (class_groups or {}).items():
            member = torch.isin(labels, torch.tensor(classes, device=labels.device))
            metrics[f"top1_{group}"] = 100 * correct[member].mean()
        return {name: float(value) for name, value in metrics.items()}

    def state(self) -> dict[str, Tensor]:
        """The predictions collected so far, joined; empty if there are none."""
        if not self._batches:
            return {}
        return {key: torch.cat([batch[key] for batch in self._batches]) for key in self._batches[0]}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Replace the collected predictions by those of `state`."""
        self._batches = [state] if state else []

    def reset(self) -> None:
        """Forget all predictions."""
        self._batches.clear()


def expected_calibration_error(confidence: Tensor, correct: Tensor) -> Tensor:
    """ECE with 15 equal bins (Guo et al., ICML 2017, eq. 3), as a fraction 0..1.

    Args:
        confidence: (images,), probability of the predicted class.
        correct: (images,), 1 where the prediction is right, else 0.
    """
    bins = (confidence * ECE_BINS).long().clamp(max=ECE_BINS - 1)
    gaps = torch.zeros(ECE_BINS, device=confidence.device)
    return gaps.index_add(0, bins, correct - confidence).abs().sum() / len(confidence)


def leading_term_shares(series: PolySeries, log_pt: Tensor) -> tuple[Tensor, Tensor]:
    """Share of the gradient that comes from the leading term of the series.

    Per image both gradients point the same way, so the share is a ratio of weights; for
    cross-entropy it is exactly P_t. Below P_t = 1e-13 the ratio has reached its limit, but not
    even float64 resolves 1 - P_t from 1, so P_t is kept above that.

    Returns:
        The mean of the ratio over images, and the ratio of the summed gradient magnitudes (each
        image's gradient is w(P_t) q times a unit vector), which well-classified images hardly move.
    """
    log_pt = log_pt.double().clamp(min=-30)
    leading, total = series.leading_weight(log_pt), series.gradient_weight(log_pt)
    q = -torch.expm1(log_pt)
    # Where the whole gradient vanishes (P_t = 1), so does the leading term's: count it as 0.
    per_image = torch.where(total == 0, 0, leading / total)
    magnitude = (total * q).sum()
    return per_image.mean(), torch.where(magnitude == 0, 0, (leading * q).sum() / magnitude)


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: MemoryBatches,
    split: str,
    series: PolySeries,
    class_groups: dict[str, tuple[int, ...]],
) -> dict[str, float]:
    """Metrics of `model` in evaluation mode over all images of a split, each counted once."""
    model.eval()
    meter = PredictionMeter(series)
    for batch in batches.evaluation(split):
        meter.update(model(batch.images), batch.labels)
    return meter.compute(class_groups)
