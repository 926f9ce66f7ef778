"""Metrics against values worked out by hand."""

import math

import pytest
import torch

from polyrepro.classification.metric_sums import Metrics, calibration_gaps
from polyrepro.losses import PolySeries


def metrics_of(probabilities, labels, series, groups=None):
    """The metrics of one batch, given as probabilities."""
    metrics = Metrics(series, groups or {})
    return metrics.values(metrics.sums(torch.tensor(probabilities).log(), torch.tensor(labels)))


def shares(series, log_pt):
    """leading_share and leading_share_weighted for log P_t of class 0 of two."""
    log_pt = torch.as_tensor(log_pt, dtype=torch.float64)
    logits = torch.stack([log_pt, torch.log(-torch.expm1(log_pt))], dim=1)
    metrics = Metrics(series, {})
    values = metrics.values(metrics.sums(logits, torch.zeros(len(log_pt), dtype=torch.long)))
    return values["leading_share"], values["leading_share_weighted"]


def test_accuracy_pt_and_loss():
    rows = [[0.5, 0.5 - 1e-6, 1e-6], [0.1, 0.2, 0.7]]
    metrics = metrics_of(rows, [0, 1], PolySeries(2.0))
    assert metrics["top1"] == 50.0
    assert metrics["mean_pt"] == pytest.approx(0.35)
    cross_entropy = -(math.log(0.5) + math.log(0.2)) / 2
    assert metrics["cross_entropy"] == pytest.approx(cross_entropy, rel=1e-5)
    assert metrics["loss"] == pytest.approx(cross_entropy + 2 * (1 - 0.35), rel=1e-5)


def test_accuracy_of_a_class_group():
    rows = [[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.2, 0.8]]
    metrics = metrics_of(rows, [0, 1, 1, 1], PolySeries(), {"tail": (1,)})
    assert metrics["top1_tail"] == pytest.approx(100 / 3, rel=1e-6)


def test_sums_of_batches_add_up():
    rows, labels = [[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]], [0, 0, 1]
    metrics = Metrics(PolySeries(2.0), {"tail": (1,)})
    logits, targets = torch.tensor(rows).log(), torch.tensor(labels)
    parts = metrics.sums(logits[:1], targets[:1]) + metrics.sums(logits[1:], targets[1:])
    whole = metrics_of(rows, labels, PolySeries(2.0), {"tail": (1,)})
    assert metrics.values(parts) == pytest.approx(whole)
    assert metrics.values(metrics.none("cpu") + parts) == metrics.values(parts)


def test_several_labels_of_an_image():
    """P_t is the probability of all of them; a prediction is right if it is one of them."""
    rows, labels = [[0.5, 0.2, 0.3], [0.5, 0.2, 0.3]], [[0.5, 0.5, 0], [0, 0.5, 0.5]]
    metrics = metrics_of(rows, labels, PolySeries(2.0))
    assert metrics["top1"] == 50
    assert metrics["mean_pt"] == pytest.approx((0.35 + 0.25) / 2)
    nll = [-math.log(0.5) / 2 - math.log(0.2) / 2, -math.log(0.2) / 2 - math.log(0.3) / 2]
    assert metrics["cross_entropy"] == pytest.approx(sum(nll) / 2, rel=1e-5)
    assert metrics["loss"] == pytest.approx(sum(nll) / 2 + 2 * (1 - 0.3), rel=1e-5)


def test_calibration_error_by_hand():
    # Bin 9 (0.60 .. 0.667): two images, confidence 0.62, half right. Last bin: 0.95, right.
    gaps = calibration_gaps(torch.tensor([0.62, 0.62, 0.95]), torch.tensor([1.0, 0.0, 1.0]))
    assert gaps[9].item() == pytest.approx(1 - 2 * 0.62)
    assert gaps[14].item() == pytest.approx(1 - 0.95)
    metrics = metrics_of([[0.62, 0.38], [0.62, 0.38], [0.95, 0.05]], [0, 1, 0], PolySeries())
    assert metrics["ece"] == pytest.approx(100 * (abs(1 - 2 * 0.62) + abs(1 - 0.95)) / 3)


def test_leading_share_of_cross_entropy_is_pt():
    pt = torch.tensor([0.05, 0.5, 0.9])
    share, weighted = shares(PolySeries(), pt.log())
    assert share == pytest.approx(float(pt.mean()), rel=1e-5)
    assert weighted == pytest.approx(float((pt * (1 - pt)).sum() / (1 - pt).sum()), rel=1e-5)


def test_leading_share_without_a_leading_term_is_zero_and_alone_is_one():
    log_pt = torch.tensor([0.05, 0.5, 0.9]).log()
    assert shares(PolySeries(-1.0), log_pt)[0] == pytest.approx(0, abs=1e-12)
    assert shares(PolySeries(terms=1), log_pt)[0] == pytest.approx(1)


@pytest.mark.parametrize("terms", [1, 5])
def test_leading_share_has_a_limit_for_saturated_images(terms):
    """At P_t -> 0 the truncated series weighs N P_t, of which the leading term is P_t."""
    share, _ = shares(PolySeries(terms=terms), [-200.0])
    assert share == pytest.approx(1 / terms, rel=1e-3)
