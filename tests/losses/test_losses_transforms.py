"""Autograd, torch.func, torch.compile, memory, and determinism."""

from functools import partial

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn import functional

from polyrepro.losses import PolyCrossEntropyLoss, poly_binary_cross_entropy, poly_cross_entropy

SERIES = [{"epsilon": (1.0, -0.3)}, {"epsilon": 0.5, "terms": 3, "gamma": 1.5}, {"gamma": 0.5}]
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(4, 5, dtype=torch.float64, generator=GENERATOR)
INDEX = torch.tensor([0, 3, -100, 1])
PROBABILITIES = torch.randn(4, 5, dtype=torch.float64, generator=GENERATOR).softmax(1)
WEIGHT = torch.tensor([0.5, 2.0, 0.0, 0.25, 3.0], dtype=torch.float64)
BINARY = torch.randint(0, 2, (4, 5), generator=GENERATOR)


def _functions(series):
    return {
        "index": lambda z: poly_cross_entropy(z, INDEX, **series),
        "per sample": lambda z: poly_cross_entropy(z, INDEX, **series, reduction="none"),
        "smoothed": lambda z: poly_cross_entropy(z, INDEX, **series, label_smoothing=0.1),
        "probabilities": lambda z: poly_cross_entropy(z, PROBABILITIES, **series),
        "weighted and smoothed": lambda z: poly_cross_entropy(
            z, INDEX, **series, weight=WEIGHT, label_smoothing=0.1
        ),
        "weighted probabilities": lambda z: poly_cross_entropy(
            z, PROBABILITIES, **series, weight=WEIGHT
        ),
        "binary": lambda z: poly_binary_cross_entropy(z, BINARY, **series),
        "per element": lambda z: poly_binary_cross_entropy(
            z, PROBABILITIES, **series, alpha=0.3, reduction="none"
        ),
    }


CASES = [
    pytest.param(function, id=f"{name} {series}")
    for series in SERIES
    for name, function in _functions(series).items()
]


@pytest.mark.parametrize("function", CASES)
def test_first_and_second_derivatives(function):
    logits = LOGITS.clone().requires_grad_()
    assert torch.autograd.gradcheck(function, logits)
    assert torch.autograd.gradgradcheck(function, logits)


@pytest.mark.parametrize("function", CASES)
def test_function_transforms(function):
    stack = torch.stack([LOGITS, LOGITS * 2, -LOGITS])

    def total(logits):
        return function(logits).sum()

    one_by_one = torch.stack([torch.func.grad(total)(logits) for logits in stack])
    torch.testing.assert_close(torch.vmap(torch.func.grad(total))(stack), one_by_one)
    mapped = torch.func.grad(lambda all_of_them: torch.vmap(total)(all_of_them).sum())(stack)
    torch.testing.assert_close(mapped, one_by_one)
    values = torch.stack([function(logits) for logits in stack])
    torch.testing.assert_close(torch.vmap(function, in_dims=2)(stack.permute(1, 2, 0)), values)
    expected = torch.autograd.functional.hessian(total, LOGITS)
    hessian = torch.func.jacrev(torch.func.jacrev(total))
    torch.testing.assert_close(hessian(LOGITS), expected)


@pytest.mark.parametrize("function", CASES)
def test_the_second_derivative_without_keeping_the_graph(function):
    def curvature(**options):
        logits = LOGITS.clone().requires_grad_()
        (slope,) = torch.autograd.grad(function(logits).sum(), logits, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), logits, **options)[0]

    torch.testing.assert_close(curvature(), curvature(retain_graph=True), rtol=1e-14, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("target", [INDEX, PROBABILITIES], ids=["index", "probabilities"])
def test_class_weights_can_be_learnt(target, reduction, smoothing):
    weight = (WEIGHT + 1).requires_grad_()
    arguments = {"label_smoothing": smoothing, "reduction": reduction}
    assert torch.autograd.gradcheck(
        lambda w: poly_cross_entropy(LOGITS, target, 1.0, weight=w, **arguments), weight
    )


@pytest.mark.parametrize("function", CASES)
def test_forward_mode_is_refused(function):
    message = r"have no forward mode .*use reverse mode: .*jacrev\(jacrev\(f\)\) for the Hessian"
    for transform in (torch.func.jacfwd, torch.func.hessian):
        with pytest.raises(NotImplementedError, match=message):
            transform(function)(LOGITS)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("target", [INDEX, PROBABILITIES], ids=["index", "probabilities"])
@pytest.mark.parametrize("series", [*SERIES, {"terms": 3}], ids=str)
def test_class_weights_can_be_mapped_over(series, target, smoothing):
    def slope(weight):
        arguments = {**series, "weight": weight, "label_smoothing": smoothing}
        return torch.func.grad(lambda z: poly_cross_entropy(z, target, **arguments))(LOGITS)

    stack = torch.stack([WEIGHT, WEIGHT.flip(0), WEIGHT + 1])
    one_by_one = torch.stack([slope(weight) for weight in stack])
    torch.testing.assert_close(torch.vmap(slope)(stack), one_by_one)


def test_gradients_per_sample():
    def loss(logits, index):
        return poly_cross_entropy(logits, index, 1.0, gamma=0.5)

    index = INDEX.where(INDEX >= 0, 2)
    rows = torch.vmap(torch.func.grad(loss))(LOGITS, index)
    logits = LOGITS.clone().requires_grad_()
    poly_cross_entropy(logits, index, 1.0, gamma=0.5, reduction="sum").backward()
    torch.testing.assert_close(rows, logits.grad)


@pytest.mark.parametrize("function", CASES)
def test_several_gradients_in_one_backward_pass(function):
    logits = LOGITS.clone().requires_grad_()
    shape = function(logits).shape
    directions = torch.randn(3, *shape, dtype=torch.float64, generator=GENERATOR)
    together, *one_by_one = (
        torch.autograd.grad(function(logits), logits, direction, is_grads_batched=batched)[0]
        for direction, batched in [(directions, True), *((each, False) for each in directions)]
    )
    torch.testing.assert_close(together, torch.stack(one_by_one))


@pytest.mark.parametrize("function", CASES)
def test_the_graph_can_be_used_twice_and_gives_the_same_bits(function):
    logits = LOGITS.clone().requires_grad_()
    loss = function(logits).sum()
    (first,) = torch.autograd.grad(loss, logits, retain_graph=True)
    (second,) = torch.autograd.grad(loss, logits)
    (third,) = torch.autograd.grad(function(logits).sum(), logits)
    assert torch.equal(first, second)
    assert torch.equal(first, third)


def _kept_bytes(function, *tensors):
    """Bytes of the distinct storages that the graph of ``function`` keeps for the backward pass."""
    storages = {}

    def pack(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = function(*tensors)
    assert loss.requires_grad
    return sum(storages.values())


@pytest.mark.parametrize("series", [*SERIES, {"terms": 40}], ids=str)
def test_memory_kept_for_the_backward_pass(series):
    logits = torch.randn(64, 1000, requires_grad=True)
    size = logits.untyped_storage().nbytes()
    index = torch.randint(0, 1000, (64,))
    hard = _kept_bytes(lambda z: poly_cross_entropy(z, index, **series), logits)
    assert hard <= 1.02 * size
    assert hard <= 1.02 * _kept_bytes(lambda z: functional.cross_entropy(z, index), logits)
    smoothed = {"label_smoothing": 0.1}
    kept = _kept_bytes(lambda z: poly_cross_entropy(z, index, **series, **smoothed), logits)
    assert kept <= (2.02 if "terms" in series else 1.02) * size
    weight, probabilities = torch.rand(1000), torch.rand(64, 1000).softmax(1)
    for arguments in ({}, {"weight": weight}):
        ours, theirs = (
            _kept_bytes(lambda z, f=f, a=arguments: f(z, probabilities, **a), logits)
            for f in (partial(poly_cross_entropy, **series), functional.cross_entropy)
        )
        assert ours <= 1.02 * theirs
        assert theirs <= 2.02 * size
    labels = (torch.rand(64, 1000) < 0.1).float()
    kept = _kept_bytes(lambda z: poly_binary_cross_entropy(z, labels, **series, alpha=0.3), logits)
    assert kept <= 2 * size


@pytest.fixture
def compiled():
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")

    def compile_(function):
        return torch.compile(function, backend=counter, fullgraph=True), counter

    yield compile_
    torch._dynamo.reset()


@pytest.mark.parametrize(
    "arguments",
    [{}, {"label_smoothing": 0.1}, {"gamma": 0.5}, {"weight": torch.arange(1.0, 6.0)}],
    ids=str,
)
@pytest.mark.parametrize("target", [INDEX, PROBABILITIES], ids=["index", "probabilities"])
def test_compiles_whole_and_not_again_for_another_epsilon(target, arguments, compiled):
    step, counter = compiled(lambda z, e: poly_cross_entropy(z, target, (e, 0.1), **arguments))
    for epsilon in (0.5, 1.0, 2.0, 3.0):
        logits, expected = (LOGITS.clone().requires_grad_() for _ in range(2))
        loss = step(logits, epsilon)
        loss.backward()
        reference = poly_cross_entropy(expected, target, (epsilon, 0.1), **arguments)
        reference.backward()
        torch.testing.assert_close(loss, reference)
        torch.testing.assert_close(logits.grad, expected.grad)
    # The first number is compiled in, the second makes it an input.
    assert counter.frame_count == 2


def test_modules_that_differ_in_epsilon_share_a_compiled_graph(compiled):
    step, counter = compiled(lambda module, z: module(z, INDEX))
    counts = []
    for epsilon in (0.5, 1.0, 2.0):
        module = PolyCrossEntropyLoss(epsilon)
        torch.testing.assert_close(step(module, LOGITS), module(LOGITS, INDEX))
        counts.append(counter.frame_count)
    assert counts[0] == counts[2]


def test_sigmoid_form_compiles_whole(compiled):
    step, counter = compiled(
        lambda z, e: poly_binary_cross_entropy(z, BINARY, e, gamma=1.5, alpha=0.3)
    )
    for epsilon in (0.5, 1.0, 2.0):
        logits = LOGITS.clone().requires_grad_()
        expected = poly_binary_cross_entropy(logits, BINARY, epsilon, gamma=1.5, alpha=0.3)
        torch.testing.assert_close(step(logits, epsilon), expected)
    assert counter.frame_count == 2


@pytest.mark.parametrize("series", [*SERIES, {"terms": 8}], ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_no_form_makes_tensors_on_another_device(series, smoothing):
    # torch's meta device has shapes only; like a GPU it refuses to be mixed with the CPU.
    for labels in (torch.zeros(4, dtype=torch.int64), torch.rand(4, 5)):
        for weight in (None, torch.rand(5, device="meta")):
            logits = torch.randn(4, 5, device="meta", requires_grad=True)
            arguments = {**series, "weight": weight, "label_smoothing": smoothing}
            poly_cross_entropy(logits, labels.to("meta"), **arguments).backward()
            assert logits.grad.shape == logits.shape
