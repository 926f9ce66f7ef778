"""Without epsilon the losses are torch's, bit for bit; with a vanishing one, to rounding."""

import itertools
from functools import partial

import pytest
import torch
from torch.nn import functional

from polyrepro.losses import poly_binary_cross_entropy, poly_cross_entropy

SHAPES = [(7,), (6, 7), (3, 7, 4), (2, 7, 3, 2)]
WEIGHT = torch.linspace(0.2, 3.0, 7, dtype=torch.float64)


def _case(shape, kind):
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 3
    if kind == "probabilities":
        return logits, torch.rand(shape, generator=generator, dtype=torch.float64).softmax(
            min(len(shape) - 1, 1)
        )
    index_shape = shape[:1] + shape[2:] if len(shape) > 1 else ()
    index = torch.randint(0, 7, index_shape, generator=generator)
    if kind == "ignored" and index.dim():
        index.view(-1)[::2] = 3
    return logits, index


def _arguments(kind):
    ignored = [3] if kind == "ignored" else [-100]
    smoothing, reductions = [0.0, 0.1], ["none", "mean", "sum"]
    for ignore, weight, s, reduction in itertools.product(
        ignored, [None, WEIGHT], smoothing, reductions
    ):
        yield {
            "ignore_index": ignore,
            "weight": weight,
            "label_smoothing": s,
            "reduction": reduction,
        }


@pytest.mark.parametrize("kind", ["index", "ignored", "probabilities"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_softmax_form_equals_torch_for_every_combination(shape, kind):
    logits, target = _case(shape, kind)
    for arguments in _arguments(kind):
        leaf, peer = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        expected = functional.cross_entropy(peer, target, **arguments)
        for epsilon in ((), 0, (0.0, 0.0)):
            assert torch.equal(poly_cross_entropy(leaf, target, epsilon, **arguments), expected)
        # A coefficient far below rounding takes our own code instead of torch's.
        ours = poly_cross_entropy(leaf, target, 1e-300, **arguments)
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-13)
        ours.sum().backward()
        expected.sum().backward()
        torch.testing.assert_close(leaf.grad, peer.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_softmax_form_equals_torch_in_every_dtype(dtype):
    logits, target = _case((6, 7), "index")
    logits = logits.to(dtype)
    ours, expected = poly_cross_entropy(logits, target), functional.cross_entropy(logits, target)
    assert ours.dtype == expected.dtype
    assert torch.equal(ours, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", ["index", "probabilities"])
@pytest.mark.parametrize(
    "view",
    [
        lambda z: z.contiguous(memory_format=torch.channels_last),
        lambda z: z.transpose(2, 3),
        lambda z: z[::2, :, 1:],
        lambda z: z[:1].expand(3, -1, -1, -1),
    ],
    ids=["channels last", "transposed", "strided", "expanded"],
)
def test_the_layout_in_memory_does_not_matter(view, kind, weight, smoothing):
    leaf, target = _case((4, 7, 3, 3), "probabilities")
    arguments = {"weight": weight, "label_smoothing": smoothing}
    target = view(target) if kind == "probabilities" else view(target).argmax(1)
    slopes = []
    for function in (partial(poly_cross_entropy, epsilon=1e-300), functional.cross_entropy):
        logits = leaf.clone().requires_grad_()
        loss = function(view(logits), target, **arguments)
        slopes.append(torch.autograd.grad(loss, logits)[0])
    torch.testing.assert_close(*slopes, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_labels_and_class_weights_can_be_learnt(smoothing):
    logits, target = _case((4, 7), "probabilities")
    slopes = []
    for function in (partial(poly_cross_entropy, epsilon=1e-300), functional.cross_entropy):
        leaves = [each.clone().requires_grad_() for each in (logits, target, WEIGHT)]
        loss = function(*leaves[:2], weight=leaves[2], label_smoothing=smoothing)
        slopes.append(torch.autograd.grad(loss, leaves))
    torch.testing.assert_close(*slopes, rtol=1e-12, atol=1e-14)


def test_classes_that_are_forbidden_by_infinite_logits():
    logits = torch.tensor([[0.0, -torch.inf, 1.0], [1.0, 2.0, -torch.inf]], dtype=torch.float64)
    index = torch.tensor([0, 1])
    slopes = []
    for function in (partial(poly_cross_entropy, epsilon=1e-300), functional.cross_entropy):
        leaf = logits.clone().requires_grad_()
        slopes.append(torch.autograd.grad(function(leaf, index), leaf)[0])
    torch.testing.assert_close(*slopes, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_a_batch_in_which_all_is_ignored(weight, smoothing):
    index = torch.full((4,), -100)
    for epsilon in ((), 1.0):
        logits = torch.zeros(4, 7, dtype=torch.float64, requires_grad=True)
        loss = poly_cross_entropy(logits, index, epsilon, weight=weight, label_smoothing=smoothing)
        loss.backward()
        assert loss.isnan()
        assert torch.equal(logits.grad, torch.zeros(4, 7, dtype=torch.float64))
        assert poly_cross_entropy(logits, index, epsilon, reduction="sum") == 0


@pytest.mark.parametrize("epsilon", [(), 1.0])
@pytest.mark.parametrize("target", [torch.zeros(0, dtype=torch.int64), torch.zeros(0, 7)])
def test_an_empty_batch(target, epsilon):
    logits = torch.zeros(0, 7, requires_grad=True)
    assert poly_cross_entropy(logits, target, epsilon).isnan()
    assert poly_cross_entropy(logits, target, epsilon, reduction="none").shape == (0,)
    total = poly_cross_entropy(logits, target, epsilon, reduction="sum")
    total.backward()
    assert total == 0
    assert logits.grad.shape == (0, 7)


def test_an_ignored_sample_may_hold_anything():
    logits = torch.tensor([[0.0, 1.0], [float("nan"), float("-inf")]])
    index = torch.tensor([0, 255])
    for epsilon in ((), 1.0):
        loss = poly_cross_entropy(logits, index, epsilon, ignore_index=255)
        alone = poly_cross_entropy(logits[:1], index[:1], epsilon)
        torch.testing.assert_close(loss, alone)


@pytest.mark.parametrize("epsilon", [(), 1.0])
@pytest.mark.parametrize("wrong", [7, -1, -100])
def test_an_index_out_of_range_fails_as_in_torch(epsilon, wrong):
    with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
        poly_cross_entropy(torch.zeros(2, 7), torch.tensor([0, wrong]), epsilon, ignore_index=255)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_sigmoid_form_equals_torch(weight, reduction):
    generator = torch.Generator().manual_seed(6)
    logits = torch.randn(5, 7, generator=generator, dtype=torch.float64) * 4
    for target in (
        torch.randint(0, 2, (5, 7), generator=generator).double(),
        torch.rand(5, 7, generator=generator, dtype=torch.float64),
    ):
        expected = functional.binary_cross_entropy_with_logits(
            logits, target, weight, reduction=reduction
        )
        ours = poly_binary_cross_entropy(logits, target, weight=weight, reduction=reduction)
        assert torch.equal(ours, expected)
        near = poly_binary_cross_entropy(logits, target, 1e-300, weight=weight, reduction=reduction)
        torch.testing.assert_close(near, expected, rtol=1e-11, atol=1e-14)
