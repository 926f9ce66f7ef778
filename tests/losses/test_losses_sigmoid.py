"""The sigmoid form against the oracle, which sees it as a softmax of two classes."""

import losses_oracle as oracle
import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from polyrepro.losses import (
    PolyBinaryCrossEntropyLoss,
    PolySeries,
    SoftGate,
    poly_binary_cross_entropy,
    series_binary_cross_entropy,
)

SERIES = [
    {"epsilon": (2.0,)},
    {"epsilon": (0.5, -0.3, 0.2)},
    {"terms": 3},
    {"terms": 20},
    {"gamma": 2.0},
    {"gamma": 0.5},
    {"epsilon": (1.5,), "gamma": 2.0, "alpha": 0.25},
    {"epsilon": (0.5, -0.3), "terms": 2, "gamma": 0.7, "alpha": 0.9},
]
LOGITS = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 3
HARD = torch.randint(0, 2, (4, 6), generator=torch.Generator().manual_seed(2))
SOFT = torch.rand(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("target", [HARD, HARD.bool(), SOFT], ids=["integers", "booleans", "soft"])
@pytest.mark.parametrize("series", SERIES, ids=str)
def test_value_and_gradient_are_the_oracle_s(series, target):
    logits = LOGITS.clone().requires_grad_()
    losses = poly_binary_cross_entropy(logits, target, **series, reduction="none")
    losses.sum().backward()
    assert losses.shape == LOGITS.shape
    for at in [(i, j) for i in range(4) for j in range(6)]:
        label = float(target[at])

        def loss(point, label=label):
            return oracle.sigmoid_loss(point[0], label, **series)

        point = [LOGITS[at].item()]
        assert losses[at].item() == pytest.approx(loss(point), rel=1e-11)
        slopes = oracle.gradient(loss, point)
        assert [logits.grad[at].item()] == pytest.approx(slopes, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("series", SERIES, ids=str)
def test_reductions_weights_and_module(series):
    weight = torch.linspace(0.1, 2, 6, dtype=torch.float64)
    losses = poly_binary_cross_entropy(LOGITS, SOFT, **series, reduction="none")
    for reduction, expected in (("mean", losses.mean()), ("sum", losses.sum())):
        result = poly_binary_cross_entropy(LOGITS, SOFT, **series, reduction=reduction)
        torch.testing.assert_close(result, expected)
    weighted = poly_binary_cross_entropy(LOGITS, SOFT, **series, weight=weight)
    torch.testing.assert_close(weighted, (losses * weight).mean())
    module = PolyBinaryCrossEntropyLoss(**series, weight=weight)
    assert torch.equal(module(LOGITS, SOFT), weighted)
    assert f"alpha={series.get('alpha')}" in repr(module)


def test_focal_loss_is_torchvision_s():
    for reduction in ("none", "mean", "sum"):
        ours = poly_binary_cross_entropy(LOGITS, HARD, gamma=2.0, alpha=0.25, reduction=reduction)
        theirs = sigmoid_focal_loss(LOGITS, HARD.double(), 0.25, 2.0, reduction=reduction)
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_blocks_do_not_show(reduction, monkeypatch):
    def result():
        logits = LOGITS.T.clone().requires_grad_()
        loss = poly_binary_cross_entropy(logits.T, SOFT, 1.0, gamma=1.5, reduction=reduction)
        (loss * torch.linspace(1, 2, loss.numel()).view(loss.shape)).sum().backward()
        return loss.detach(), logits.grad

    whole = result()
    monkeypatch.setattr("polyrepro.losses.reduction.ELEMENTS_PER_BLOCK", 7)
    torch.testing.assert_close(result(), whole, rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize(
    "series", [PolySeries((0.5, -0.3), 2, 0.7), PolySeries(gamma=2.0), SoftGate(2.0)], ids=str
)
def test_hard_labels_have_a_shorter_way_to_the_same_result(series, alpha, dtype, monkeypatch):
    extreme = torch.tensor([-1e4, -100, -81, -20, -1e-3, 0, 1e-3, 20, 81, 100, 1e4], dtype=dtype)
    labels = torch.tensor([0.0, 1.0], dtype=dtype).repeat_interleave(len(extreme))

    def result():
        logits = extreme.repeat(2).requires_grad_()
        losses = series_binary_cross_entropy(logits, labels, series, alpha=alpha, reduction="none")
        losses.sum().backward()
        return losses.detach(), logits.grad

    short = result()
    # Where labels cannot be read at once, the way for soft labels is taken.
    monkeypatch.setattr(torch.Tensor, "item", _unreadable)
    assert all(values.isfinite().all() for values in short)
    precision = torch.finfo(dtype).eps
    torch.testing.assert_close(short, result(), rtol=50 * precision, atol=precision)


def _unreadable(tensor):
    raise RuntimeError("nothing to read")


def test_blocks_of_hard_and_of_soft_labels(monkeypatch):
    monkeypatch.setattr("polyrepro.losses.reduction.ELEMENTS_PER_BLOCK", 2)
    labels = HARD.double()
    labels[2] = SOFT[2]
    losses = poly_binary_cross_entropy(LOGITS, labels, 1.0, gamma=1.5, reduction="none")
    for row, label, loss in zip(LOGITS, labels, losses, strict=True):
        expected = poly_binary_cross_entropy(row, label, 1.0, gamma=1.5, reduction="none")
        torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)


def test_labels_can_be_learnt():
    labels = SOFT.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda y: poly_binary_cross_entropy(LOGITS, y, 2.0, gamma=1.5, alpha=0.3), labels
    )


def test_an_empty_input():
    logits = torch.zeros(0, 3, requires_grad=True)
    for reduction, expected in (("mean", float("nan")), ("sum", 0.0)):
        loss = poly_binary_cross_entropy(logits, torch.zeros(0, 3), 1.0, reduction=reduction)
        assert loss.item() == pytest.approx(expected, nan_ok=True)
        loss.backward()
    assert logits.grad.shape == (0, 3)
