"""The hard and the soft gate, against their definitions."""

import math

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from polyrepro.losses import (
    HardGate,
    SoftGate,
    poly_binary_cross_entropy,
    series_binary_cross_entropy,
    series_cross_entropy,
    soft_gated_cross_entropy,
)

LOGITS = torch.linspace(-6, 6, 13, dtype=torch.float64)
ONES, ZEROS = torch.ones_like(LOGITS), torch.zeros_like(LOGITS)


def _sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
def test_hard_gate_drops_what_is_above_the_threshold(threshold):
    for labels, sign in ((ONES, 1), (ZEROS, -1)):
        losses = series_binary_cross_entropy(LOGITS, labels, HardGate(threshold), reduction="none")
        for x, loss in zip(LOGITS.tolist(), losses.tolist(), strict=True):
            pt = _sigmoid(sign * x)
            assert loss == pytest.approx(0 if pt > threshold else -math.log(pt), rel=1e-12)


def test_hard_gate_leaves_cross_entropy_s_gradient_below_the_threshold():
    logits = torch.tensor([[0.0, 2.0], [2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    series_cross_entropy(logits, torch.tensor([0, 0]), HardGate(), reduction="sum").backward()
    p = _sigmoid(-2.0)
    assert logits.grad[0].tolist() == pytest.approx([p - 1, 1 - p])
    assert logits.grad[1].tolist() == [0, 0]


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0, 200.0])
def test_soft_gate_is_the_essay_s_formula(sharpness):
    logits = LOGITS.clone().requires_grad_()
    for labels, sign in ((ONES, 1), (ZEROS, -1)):
        losses = series_binary_cross_entropy(logits, labels, SoftGate(sharpness), reduction="none")
        for x, loss in zip(LOGITS.tolist(), losses.tolist(), strict=True):
            gate = 1 / (1 + math.exp(min(sharpness * sign * x, 700)))
            assert loss == pytest.approx(-gate * math.log(_sigmoid(sign * x)), rel=1e-10)
    assert torch.autograd.gradcheck(
        lambda z: series_binary_cross_entropy(z, ONES, SoftGate(3.0)), logits
    )


def test_soft_gate_with_sharpness_one_is_focal_loss():
    ours = series_binary_cross_entropy(LOGITS, ONES, SoftGate(), reduction="none")
    focal = poly_binary_cross_entropy(LOGITS, ONES, gamma=1.0, reduction="none")
    torch.testing.assert_close(ours, focal, rtol=1e-12, atol=1e-15)


def test_soft_gate_is_finite_on_saturated_logits():
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        logits = torch.tensor([-1e4, -100, 100, 1e4], dtype=dtype, requires_grad=True)
        series_binary_cross_entropy(logits, torch.ones(4), SoftGate(2.0)).backward()
        assert logits.grad.isfinite().all()


@pytest.mark.parametrize("target", ["index", "probabilities", "labels"])
def test_gates_under_checkpoints(target):
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss(z):
        if target == "labels":
            return series_binary_cross_entropy(z, torch.ones(4, 3), SoftGate(2.0))
        index = torch.tensor([0, 2, 1, 1])
        labels = index if target == "index" else torch.full((4, 3), 1 / 3, dtype=torch.float64)
        return series_cross_entropy(z, labels, SoftGate(2.0))

    slopes = []
    for function in (loss, lambda z: checkpoint(loss, z, use_reentrant=False)):
        leaf = logits.clone().requires_grad_()
        (slope,) = torch.autograd.grad(function(leaf), leaf)
        slopes.append(slope)
    assert torch.equal(*slopes)


def test_multi_class_soft_gate():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 4, dtype=torch.float64, generator=generator).requires_grad_()
    index = torch.tensor([0, 3, -100, 2, 1])
    expected = []
    for row, target in zip(logits.tolist(), index.tolist(), strict=True):
        if target < 0:
            expected.append(0.0)
            continue
        gate = math.exp(-2 * row[target]) / math.fsum(math.exp(-2 * z) for z in row)
        nll = math.log(math.fsum(math.exp(z) for z in row)) - row[target]
        expected.append(gate * nll)
    losses = soft_gated_cross_entropy(logits, index, 2.0, reduction="none")
    assert losses.tolist() == pytest.approx(expected, rel=1e-12)
    mean = soft_gated_cross_entropy(logits, index, 2.0)
    assert mean.item() == pytest.approx(math.fsum(expected) / 4, rel=1e-12)
    assert torch.autograd.gradcheck(lambda z: soft_gated_cross_entropy(z, index, 2.0), logits)
    # Of two classes the multi-class gate is the gate on P_t.
    binary = torch.stack([LOGITS, ZEROS], 1)
    zeros = torch.zeros(len(LOGITS), dtype=torch.int64)
    torch.testing.assert_close(
        soft_gated_cross_entropy(binary, zeros, 3.0),
        series_cross_entropy(binary, zeros, SoftGate(3.0)),
    )
