"""Checkpoints of every kind, offloading, and fake tensors: tools that look at what is computed."""

from functools import partial

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

from polyrepro.losses import (
    SoftGate,
    poly_binary_cross_entropy,
    poly_cross_entropy,
    series_cross_entropy,
)

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(6, 50, generator=GENERATOR)
# P_t is above one half for some, for one it is next to 1, for one it underflows.
LOGITS[0, 7], LOGITS[1, 7], LOGITS[2, 7] = 9.0, 20.0, -120.0
INDEX = torch.full((6,), 7)
IGNORED = torch.tensor([7, 7, 7, -100, 7, 7])
PROBABILITIES = torch.randn(6, 50, generator=GENERATOR).softmax(1)
WEIGHT = torch.rand(50, generator=GENERATOR)
BINARY = torch.randint(0, 2, (6, 50), generator=GENERATOR).float()
FORMS = {
    "index": lambda z: poly_cross_entropy(z, INDEX, 2.0),
    "ignored": lambda z: poly_cross_entropy(z, IGNORED, 2.0, weight=WEIGHT),
    "long": lambda z: poly_cross_entropy(z, INDEX, terms=40),
    "smoothed": lambda z: poly_cross_entropy(z, INDEX, gamma=0.5, label_smoothing=0.1),
    "probabilities": lambda z: poly_cross_entropy(z, PROBABILITIES, (1.0, 0.2)),
    "truncated": lambda z: poly_cross_entropy(z, PROBABILITIES, terms=40, weight=WEIGHT),
    "gate": lambda z: series_cross_entropy(z, PROBABILITIES, SoftGate(2.0)),
    "hard": lambda z: poly_binary_cross_entropy(z, BINARY, 2.0, gamma=0.5),
    "soft": lambda z: poly_binary_cross_entropy(z, PROBABILITIES, 2.0, alpha=0.3),
}


def _gradient(function):
    logits = LOGITS.clone().requires_grad_()
    function(logits * 1).backward()
    return logits.grad


@pytest.mark.parametrize("form", FORMS)
def test_checkpoints_offloading_and_sums_of_losses(form):
    loss = FORMS[form]
    expected = _gradient(loss)
    for reentrant in (False, True):
        other = _gradient(lambda z, r=reentrant: checkpoint(loss, z, use_reentrant=r))
        assert torch.equal(other, expected)
    with torch.autograd.graph.save_on_cpu():
        assert torch.equal(_gradient(loss), expected)
    torch.testing.assert_close(_gradient(lambda z: loss(z) + loss(z)), 2 * expected)


SOFTMAX = (torch.ops.aten._softmax.default, torch.ops.aten._log_softmax.default)


def _policy(context, operation, *_, everything: bool, **__):
    kept = everything or operation in SOFTMAX
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_selective_checkpoints_that_keep_what_is_computed(form, everything):
    policy = partial(_policy, everything=everything)

    def kept(z):
        contexts = partial(create_selective_checkpoint_contexts, policy)
        return checkpoint(FORMS[form], z, use_reentrant=False, context_fn=contexts)

    assert torch.equal(_gradient(kept), _gradient(FORMS[form]))


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: poly_cross_entropy(z, y, 2.0),
        lambda z, y: poly_cross_entropy(z, y, terms=40, weight=torch.rand(50)),
        lambda z, y: poly_cross_entropy(z, y, gamma=0.5, label_smoothing=0.1),
        lambda z, y: poly_cross_entropy(z, torch.rand(6, 50), 2.0),
        lambda z, y: poly_cross_entropy(z, torch.rand(6, 50), terms=40),
        lambda z, y: poly_binary_cross_entropy(z, torch.rand(6, 50), 2.0, alpha=0.3),
    ],
)
def test_fake_tensors_have_shapes_and_no_numbers(loss):
    with FakeTensorMode():
        logits = torch.randn(6, 50, requires_grad=True)
        result = loss(logits, torch.randint(0, 50, (6,)))
        result.backward()
        assert result.shape == ()
        assert logits.grad.shape == (6, 50)


@pytest.mark.parametrize("form", FORMS)
def test_what_cannot_be_read_changes_no_result(form, monkeypatch):
    """As under vmap or on a GPU, where no number decides which operations are taken."""

    def results():
        logits = LOGITS.clone().requires_grad_()
        loss = FORMS[form](logits)
        loss.backward()
        return loss.detach(), logits.grad

    expected = results()
    monkeypatch.setattr(torch.Tensor, "item", _unreadable)
    torch.testing.assert_close(results(), expected, rtol=2e-6, atol=1e-8)


def _unreadable(tensor):
    raise RuntimeError("nothing to read")


def test_a_trace_holds_for_other_inputs():
    """What is read of one input, as whether a sample is ignored, must not become a constant."""

    def losses(logits, index):
        return poly_cross_entropy(logits, index, 2.0, reduction="none")

    calm = torch.zeros(6, 50)
    with pytest.warns():  # torch deprecates tracing, and does not follow autograd functions
        traced = torch.jit.trace(losses, (calm, INDEX), check_trace=False)
    torch.testing.assert_close(traced(LOGITS, IGNORED), losses(LOGITS, IGNORED))
