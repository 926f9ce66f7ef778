"""What is recorded of P_t, against a count by hand."""

import math

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from mmdet.registry import MODELS
from torch import nn

from polyrepro.detection import target_probability_meter
from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.heads import LossPlace
from polyrepro.detection.hooks.target_probability import TargetProbabilityHook, attach
from polyrepro.detection.replacement import kind_of
from polyrepro.detection.target_probability_meter import TargetProbabilityMeter
from polyrepro.losses.target_probability_sums import summarised

BINS = 5


def recorded(loss: nn.Module, *args, **kwargs) -> dict[str, dict]:
    """Calls the loss twice as a detector does, and returns what was recorded."""
    meter = TargetProbabilityMeter(kind_of(loss, "loss_cls"), BINS)
    handle = attach(loss, meter)
    for _ in range(2):
        loss(*args, **kwargs)
    handle.remove()
    loss(*args, **kwargs)
    return summarised(meter.state(), BINS)


def by_hand(probabilities: list[float], weight) -> dict[str, object]:
    """Twice each probability; ``weight`` gives leading and whole gradient weight for P_t."""
    probabilities = 2 * probabilities
    histogram = [0] * BINS
    for p in probabilities:
        histogram[min(int(p * BINS), BINS - 1)] += 1
    pairs = [weight(p) for p in probabilities]
    sizes = [(a * (1 - p), b * (1 - p)) for p, (a, b) in zip(probabilities, pairs, strict=True)]
    count = len(probabilities)
    return {
        "count": count,
        "mean_pt": sum(probabilities) / count,
        "leading_share": sum(a / b for a, b in pairs) / count,
        "leading_share_weighted": sum(a for a, _ in sizes) / sum(b for _, b in sizes),
        "histogram": histogram,
    }


def assert_same(got: dict, expected: dict) -> None:
    assert got.pop("histogram") == expected.pop("histogram")
    assert got == pytest.approx(expected, rel=1e-5)


LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.3, 0.2, 4.0], [-3.0, 1.0, 1.5], [0.0, 0.0, 9.0]])


@pytest.mark.parametrize("name, epsilon", [("CrossEntropyLoss", 0), ("PolyCrossEntropyLoss", 2)])
def test_softmax_samples_by_group(name, epsilon):
    settings = {"epsilon": float(epsilon)} if epsilon else {}
    loss = MODELS.build({"type": name, "ignore_index": 7, "avg_non_ignore": True, **settings})
    label = torch.tensor([0, 2, 1, 7])
    p = LOGITS.double().softmax(1)

    def weight(pt):
        return (1 + epsilon) * pt, 1 + epsilon * pt

    got = recorded(loss, LOGITS, label)
    assert_same(got["foreground"], by_hand([p[0, 0].item(), p[2, 1].item()], weight))
    assert_same(got["background"], by_hand([p[1, 2].item()], weight))
    got = recorded(loss, LOGITS, label, torch.tensor([1.0, 1.0, 0.0, 1.0]))
    assert got["foreground"]["count"] == 2


@pytest.mark.parametrize("name, epsilon", [("FocalLoss", 0), ("PolyFocalLoss", -0.5)])
@pytest.mark.parametrize("one_hot", [False, True])
def test_sigmoid_elements_by_group(name, epsilon, one_hot):
    gamma = 1.5
    settings = {"epsilon": float(epsilon)} if epsilon else {}
    loss = MODELS.build({"type": name, "gamma": gamma, "alpha": 0.3, **settings})
    label = torch.tensor([1, 3, 0, 3])
    p = LOGITS.double().sigmoid()
    one = [p[0, 1].item(), p[2, 0].item()]
    hot = torch.nn.functional.one_hot(label, 4)[:, :3]
    zero = [1 - value.item() for value in p[hot == 0]]

    def weight(pt):
        q = 1 - pt
        leading = (1 + gamma) * (1 + epsilon) * pt * q**gamma
        focal = q**gamma - gamma * pt * q ** (gamma - 1) * math.log(pt)
        return leading, focal + epsilon * (gamma + 1) * pt * q**gamma

    # Only avg_factor is given by name, as FCOS does; it must not be taken for the weight.
    got = recorded(loss, LOGITS, hot if one_hot else label, avg_factor=3.0)
    assert_same(got["foreground"], by_hand(one, weight))
    assert_same(got["background"], by_hand(zero, weight))
    got = recorded(loss, LOGITS, label, weight=torch.tensor([1.0, 0.0, 1.0, 0.0]))
    assert [got[group]["count"] for group in ("foreground", "background")] == [4, 8]


def test_pieces_make_no_difference(monkeypatch):
    loss = MODELS.build({"type": "FocalLoss"})
    label = torch.tensor([1, 3, 0, 3])
    whole = recorded(loss, LOGITS, label)
    monkeypatch.setattr(target_probability_meter, "PIECE", 2)
    pieces = recorded(loss, LOGITS, label)
    for group, values in whole.items():
        assert_same(pieces[group], values)


def test_no_samples_and_saturated_ones():
    loss = MODELS.build({"type": "CrossEntropyLoss"})
    empty = recorded(loss, torch.zeros(0, 3), torch.zeros(0).long())
    assert empty["foreground"] == {
        "count": 0,
        "mean_pt": None,
        "leading_share": None,
        "leading_share_weighted": None,
        "histogram": [0] * BINS,
    }
    sure = recorded(loss, torch.tensor([[200.0, 0.0], [0.0, 200.0]]), torch.tensor([0, 0]))
    assert sure["foreground"]["histogram"] == [2, 0, 0, 0, 2]
    assert sure["foreground"]["leading_share"] == pytest.approx(0.5)


@pytest.mark.parametrize("settings", [{"use_mask": True}, {"activated": True}])
def test_losses_that_are_no_classification_on_logits_are_named(settings):
    name = "FocalLoss" if "activated" in settings else "CrossEntropyLoss"
    owner = nn.Module()
    owner.loss_mask = MODELS.build({"type": name, **settings})
    place = LossPlace("mask_head.loss_mask", owner, "loss_mask")
    with pytest.raises(DetectionError, match=r"mask_head.loss_mask is a loss of masks"):
        kind_of(place.loss, place.path)


@pytest.mark.parametrize("wrong", [{"bins": 0}, {"interval": 2.5}, {"interval": -1}])
def test_wrong_settings_are_named(wrong):
    with pytest.raises(DetectionError, match=f"{next(iter(wrong))} must be an integer >= 1"):
        TargetProbabilityHook(**wrong)
