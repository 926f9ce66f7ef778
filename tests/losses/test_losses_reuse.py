"""The gradient takes the place of the array that was kept for it, when nobody reads that again."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from polyrepro.losses import poly_cross_entropy, reuse

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(6, 50, generator=GENERATOR)
INDEX = torch.randint(0, 50, (6,), generator=GENERATOR)
PROBABILITIES = torch.randn(6, 50, generator=GENERATOR).softmax(1)
FORMS = [
    pytest.param(INDEX, {"epsilon": 2.0}, id="index"),
    pytest.param(INDEX, {"gamma": 0.5, "label_smoothing": 0.1}, id="smoothed"),
    pytest.param(PROBABILITIES, {"epsilon": (1.0, 0.2)}, id="probabilities"),
    pytest.param(PROBABILITIES, {"terms": 5, "weight": torch.rand(50)}, id="truncated, weighted"),
]


def _gradient(target, arguments, **options):
    """The gradient, and the addresses of all that was kept for it."""
    kept, logits = set(), LOGITS.clone().requires_grad_()

    def pack(tensor):
        kept.add(tensor.untyped_storage().data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = poly_cross_entropy(logits, target, **arguments)
    (gradient,) = torch.autograd.grad(loss, logits, **options)
    return gradient, kept, loss, logits


@pytest.mark.parametrize(("target", "arguments"), FORMS)
def test_one_array_serves_both_passes(target, arguments):
    gradient, kept, loss, logits = _gradient(target, arguments)
    assert gradient.untyped_storage().data_ptr() in kept
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(loss, logits)


@pytest.mark.parametrize("options", [{"retain_graph": True}, {"create_graph": True}], ids=str)
@pytest.mark.parametrize(("target", "arguments"), FORMS)
def test_a_graph_that_is_kept_stays_as_it_is(target, arguments, options):
    expected, *_ = _gradient(target, arguments)
    gradient, kept, loss, logits = _gradient(target, arguments, **options)
    assert gradient.untyped_storage().data_ptr() not in kept
    torch.testing.assert_close(gradient, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], expected)


@pytest.mark.parametrize(("target", "arguments"), FORMS)
def test_without_torch_s_answer_the_array_is_a_new_one(target, arguments, monkeypatch):
    expected, *_ = _gradient(target, arguments)
    monkeypatch.setattr(reuse, "_graph_is_kept", lambda: True)
    gradient, kept, *_ = _gradient(target, arguments)
    assert gradient.untyped_storage().data_ptr() not in kept
    assert torch.equal(gradient, expected)


@pytest.mark.parametrize(("target", "arguments"), FORMS)
def test_checkpoints_offloading_and_sums_of_losses(target, arguments):
    def loss(logits):
        return poly_cross_entropy(logits, target, **arguments)

    def gradient(function):
        logits = LOGITS.clone().requires_grad_()
        function(logits * 1).backward()
        return logits.grad

    expected = gradient(loss)
    for reentrant in (False, True):
        other = gradient(lambda z, r=reentrant: checkpoint(loss, z, use_reentrant=r))
        assert torch.equal(other, expected)
    with torch.autograd.graph.save_on_cpu():
        assert torch.equal(gradient(loss), expected)
    torch.testing.assert_close(gradient(lambda z: loss(z) + loss(z)), 2 * expected)
