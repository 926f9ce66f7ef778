"""Metrics of the segmentation: from counts per score, against what they are for single pixels."""

import numpy as np
import pytest
import torch

from polyrepro.losses import PolySeries, leading_term
from polyrepro.losses.target_probability_sums import BINS as PROBABILITY_BINS
from polyrepro.losses.target_probability_sums import summarised
from polyrepro.segmentation.metrics import BINS, LARGEST_LOGIT, segmentation_metrics
from polyrepro.segmentation.scores import group_sums, score_counts

CLASSES = ("Car", "Pedestrian")


def pixels(seed=0, sweeps=3):
    """Logits that tell foreground from background badly, and labels with missing returns."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, 3, (sweeps, 64, 40), generator=draw, dtype=torch.int8)
    logits = 2 * torch.randn(labels.shape, generator=draw) + 1.5 * labels.clamp(max=1)
    return logits, labels


def average_precision(scores, positive):
    """Of single pixels, best first; no two scores are equal."""
    hits = positive[np.argsort(-scores)]
    return 100 * (hits.cumsum() / np.arange(1, len(hits) + 1))[hits].mean()


def test_metrics_are_those_of_single_pixels_up_to_the_width_of_a_bin():
    logits, labels = pixels()
    counts = score_counts(logits, labels, 3)
    assert counts.shape == (3, 3, BINS) and counts.sum() == (labels >= 0).sum()
    metrics = segmentation_metrics(counts.numpy().sum(0), CLASSES)
    returned = labels >= 0
    scores, label = logits[returned].numpy(), labels[returned].numpy()
    order = np.argsort(-scores)
    hits = (label > 0)[order].cumsum()
    kept = 1 + np.argmax(hits >= 0.99 * hits[-1])
    assert metrics["foreground_ap"] == pytest.approx(average_precision(scores, label > 0), abs=0.1)
    for number, name in ((1, "vehicle"), (2, "pedestrian")):
        own = (label == number) | (label == 0)
        expected = average_precision(scores[own], label[own] == number)
        assert metrics[f"{name}_foreground_ap"] == pytest.approx(expected, abs=0.1)
    assert metrics["foreground_precision"] == pytest.approx(100 * hits[kept - 1] / kept, abs=0.5)
    assert metrics["points_kept"] == pytest.approx(100 * kept / len(scores), abs=0.5)


def test_metrics_of_sets_of_sweeps_follow_from_the_counts_of_single_ones():
    logits, labels = pixels()
    counts = score_counts(logits, labels, 3).numpy()
    weights = np.array([[1, 1, 1], [2, 0, 1]])
    metrics = segmentation_metrics(np.einsum("ns,sgb->ngb", weights, counts), CLASSES)
    twice = score_counts(logits[[0, 0, 2]], labels[[0, 0, 2]], 3).numpy()
    for expected, number in ((counts, 0), (twice, 1)):
        for name, value in segmentation_metrics(expected.sum(0), CLASSES).items():
            assert metrics[name][number] == pytest.approx(value)


def test_perfect_and_extreme_logits():
    labels = torch.tensor([[[0, 0, 1, 2, -1]]], dtype=torch.int8)
    logits = torch.tensor([[[-1e4, -3.0, 3.0, 1e4, 1e4]]])
    metrics = segmentation_metrics(score_counts(logits, labels, 3).numpy().sum(0), CLASSES)
    assert metrics.pop("points_kept") == 50
    assert set(metrics.values()) == {100}


def test_without_foreground_nothing_is_defined():
    labels = torch.zeros(1, 2, 2, dtype=torch.int8)
    counts = score_counts(torch.full((1, 2, 2), LARGEST_LOGIT), labels, 3).numpy().sum(0)
    metrics = segmentation_metrics(counts, CLASSES)
    assert np.isnan([metrics["foreground_ap"], metrics["vehicle_foreground_ap"]]).all()


def test_sums_of_p_t_by_group():
    logits, labels = pixels()
    series = PolySeries((-0.4,), None, 2.0)
    found = summarised(group_sums(series, logits, labels), PROBABILITY_BINS)
    p = logits.double().sigmoid()
    for group, mask, pt in (
        ("foreground", labels > 0, p),
        ("background", labels == 0, 1 - p),
    ):
        values = pt[mask]
        assert found[group]["count"] == mask.sum() == sum(found[group]["histogram"])
        assert found[group]["mean_pt"] == pytest.approx(values.mean().item(), rel=1e-5)
        share = leading_term(series, values.log()).share.mean().item()
        assert found[group]["leading_share"] == pytest.approx(share, rel=1e-4)
