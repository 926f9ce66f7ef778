"""Metrics against values worked out by hand."""

import math

import pytest
import torch

from polyrepro.classification.evaluation import (
    PredictionMeter,
    expected_calibration_error,
    leading_term_shares,
)
from polyrepro.losses import PolySeries


def meter_of(probabilities, labels, series):
    meter = PredictionMeter(series)
    meter.update(torch.tensor(probabilities).log(), torch.tensor(labels))
    return meter


def test_accuracy_pt_and_loss():
    meter = meter_of([[0.5, 0.5 - 1e-6, 1e-6], [0.1, 0.2, 0.7]], [0, 1], PolySeries(2.0))
    metrics = meter.compute()
    assert metrics["top1"] == 50.0
    assert metrics["mean_pt"] == pytest.approx(0.35)
    cross_entropy = -(math.log(0.5) + math.log(0.2)) / 2
    assert metrics["cross_entropy"] == pytest.approx(cross_entropy, rel=1e-5)
    assert metrics["loss"] == pytest.approx(cross_entropy + 2 * (1 - 0.35), rel=1e-5)


def test_accuracy_of_a_class_group():
    rows = [[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.2, 0.8]]
    metrics = meter_of(rows, [0, 1, 1, 1], PolySeries()).compute({"tail": (1,)})
    assert metrics["top1_tail"] == pytest.approx(100 / 3, rel=1e-6)


def test_batches_are_weighted_by_their_images():
    series = PolySeries()
    whole = meter_of([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]], [0, 0, 1], series).compute()
    parts = meter_of([[0.9, 0.1]], [0], series)
    parts.update(torch.tensor([[0.3, 0.7], [0.6, 0.4]]).log(), torch.tensor([0, 1]))
    assert parts.compute() == pytest.approx(whole)


def test_calibration_error_by_hand():
    # Bin 9 (0.60 .. 0.667): two images, confidence 0.62, half right. Last bin: 0.95, right.
    confidence = torch.tensor([0.62, 0.62, 0.95])
    correct = torch.tensor([1.0, 0.0, 1.0])
    expected = (abs(1 - 2 * 0.62) + abs(1 - 0.95)) / 3
    assert float(expected_calibration_error(confidence, correct)) == pytest.approx(expected)


def test_leading_share_of_cross_entropy_is_pt():
    pt = torch.tensor([0.05, 0.5, 0.9])
    share, weighted = leading_term_shares(PolySeries(), pt.log())
    assert float(share) == pytest.approx(float(pt.mean()), rel=1e-5)
    assert float(weighted) == pytest.approx(float((pt * (1 - pt)).sum() / (1 - pt).sum()), rel=1e-5)


def test_leading_share_without_a_leading_term_is_zero_and_alone_is_one():
    log_pt = torch.tensor([0.05, 0.5, 0.9]).log()
    assert float(leading_term_shares(PolySeries(-1.0), log_pt)[0]) == pytest.approx(0, abs=1e-12)
    assert float(leading_term_shares(PolySeries(terms=1), log_pt)[0]) == pytest.approx(1)


@pytest.mark.parametrize("terms", [1, 5])
def test_leading_share_has_a_limit_for_saturated_images(terms):
    """At P_t -> 0 the truncated series weighs N P_t, of which the leading term is P_t."""
    share, _ = leading_term_shares(PolySeries(terms=terms), torch.tensor([-200.0]))
    assert float(share) == pytest.approx(1 / terms, rel=1e-3)
