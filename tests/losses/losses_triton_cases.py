"""The Triton kernels in Triton's interpreter, against the float64 oracle.

Not collected with the other tests: ``test_losses_triton.py`` runs this file in a process of its own
with TRITON_INTERPRET=1, which must be set before triton is imported.
"""

from collections import defaultdict
from itertools import product

import losses_oracle as oracle
import numpy
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from polyrepro.losses import (
    HardGate,
    PolySeries,
    SoftGate,
    poly_binary_cross_entropy,
    poly_cross_entropy,
    series_cross_entropy,
    triton_cross_entropy,
    triton_math,
    triton_soft_labels,
)
from polyrepro.losses.backend import set_backend
from polyrepro.losses.triton_binary import TritonBinaryLoss
from polyrepro.losses.triton_cross_entropy import TritonIndexLoss
from polyrepro.losses.triton_soft_labels import TritonSoftLoss

SERIES = [
    {"epsilon": 2.0},
    {"epsilon": (0.5, -0.3, 0.2)},
    {"terms": 3},
    {"gamma": 0.5},
    {"epsilon": (0.4, 0.1), "terms": 4, "gamma": 1.5},
]
INDEX = torch.tensor([0, 3, -100])
PROBABILITIES = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 1.0, 0.0], [0.5, 0.5, 0.0, 0.0]])


def _counted(function, calls):
    def forward(*arguments):
        calls.append(function)
        return function(*arguments)

    return staticmethod(forward)


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    """Force the kernels, and count their use so that a silent fall-back is a failure."""
    calls = []
    for function in (TritonIndexLoss, TritonSoftLoss, TritonBinaryLoss):
        monkeypatch.setattr(function, "forward", _counted(function.forward, calls))
    set_backend("triton")
    yield
    set_backend("auto")
    assert calls


def _logits(rows, classes):
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(classes)) * 3


@pytest.mark.parametrize("series", SERIES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_softmax_form(series, dtype):
    logits = _logits(5, 7).to(dtype).requires_grad_()
    index = torch.tensor([0, 6, -100, 3, 3])
    losses = poly_cross_entropy(logits, index, **series, reduction="none")
    losses.sum().backward()
    assert losses.dtype == torch.float32
    assert logits.grad.dtype == dtype
    values = series.get("epsilon", ())
    named = {**series, "epsilon": (values,) if isinstance(values, float) else values}
    for sample, target in enumerate(index.tolist()):
        row = logits[sample].detach().double().tolist()
        if target < 0:
            assert losses[sample] == 0
            assert (logits.grad[sample] == 0).all()
            continue
        labels = oracle.one_hot(target, 7)

        def loss(point, labels=labels):
            return oracle.softmax_loss(point, labels, **named)

        assert losses[sample].item() == pytest.approx(loss(row), rel=2e-5)
        tolerance = (
            {"rel": 1e-2, "abs": 1e-3} if dtype == torch.bfloat16 else {"rel": 1e-4, "abs": 1e-6}
        )
        slopes = oracle.gradient(loss, row)
        assert logits.grad[sample].tolist() == pytest.approx(slopes, **tolerance)


@pytest.mark.parametrize("classes", [1, 2, 8, 100])
def test_rows_longer_than_a_block(classes, monkeypatch):
    monkeypatch.setattr(triton_math, "LARGEST_BLOCK", 16)
    # A transposed array: classes are not next to each other in memory.
    logits = _logits(classes, 3).T.requires_grad_()
    index = torch.tensor([0, classes - 1, classes // 2])
    (nll, *_) = TritonIndexLoss.apply(logits, index, None, PolySeries(), 0.0, -100, "none")
    expected = torch.nn.functional.cross_entropy(logits.double(), index, reduction="none")
    torch.testing.assert_close(nll.double(), expected, rtol=1e-5, atol=1e-6)
    slopes = [torch.autograd.grad(loss.sum(), logits)[0] for loss in (nll, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-6)


SMOOTHABLE = [PolySeries(2.0), PolySeries((0.4, 0.1), gamma=1.5), HardGate(), SoftGate(2)]


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("series", "smoothing"),
    [*product(SMOOTHABLE, [0.0, 0.1, 1.0]), (PolySeries(0.5, terms=4), 0.0)],
    ids=str,
)
def test_class_weights_smoothing_and_reductions(
    series, weighted, smoothing, reduction, monkeypatch
):
    monkeypatch.setattr(triton_math, "LARGEST_BLOCK", 16)
    logits = _logits(7, 37).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    index = torch.tensor([0, 36, -100, 5, 16, -100, 15])
    weight = torch.rand(37, generator=torch.Generator().manual_seed(1)) if weighted else None
    arguments = {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
    ours = series_cross_entropy(logits, index, series, **arguments)
    # float64 is always computed by torch; that code is tested against the oracle.
    expected = series_cross_entropy(exact, index, series, **arguments)
    torch.testing.assert_close(ours.double(), expected, rtol=1e-5, atol=1e-6)
    factor = torch.linspace(1, 2, ours.numel()).view(ours.shape)
    (ours * factor).sum().backward()
    (expected * factor).sum().backward()
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=1e-4, atol=1e-6)


PROBABILITY_SERIES = [*SMOOTHABLE, PolySeries(gamma=0.5), PolySeries((0.5, -0.3, 0.2))]


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("series", PROBABILITY_SERIES, ids=str)
def test_probabilities(series, dtype, weighted, reduction, monkeypatch):
    monkeypatch.setattr(triton_math, "LARGEST_BLOCK", 16)
    logits = _logits(7, 37).to(dtype).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    generator = torch.Generator().manual_seed(1)
    target = torch.rand(37, 7, generator=generator).softmax(0).T
    # Labels whose sum is not one, and a class that is certain.
    target[0] *= 2
    target[1] = torch.eye(37)[3]
    weight = torch.rand(37, generator=generator) if weighted else None
    arguments = {"weight": weight, "reduction": reduction}
    ours = series_cross_entropy(logits, target, series, **arguments)
    # float64 is always computed by torch; that code is tested against the oracle.
    expected = series_cross_entropy(exact, target.double(), series, **arguments)
    torch.testing.assert_close(ours.double(), expected, rtol=1e-5, atol=1e-6)
    factor = torch.linspace(1, 2, ours.numel()).view(ours.shape)
    (ours * factor).sum().backward()
    (expected * factor).sum().backward()
    assert logits.grad.dtype == dtype
    tolerance = (1e-2, 1e-3) if dtype == torch.bfloat16 else (1e-4, 1e-6)
    torch.testing.assert_close(
        logits.grad.double(), exact.grad, rtol=tolerance[0], atol=tolerance[1]
    )


def test_probabilities_with_forbidden_classes():
    rows = [[float("-inf")] * 40 + [1.0, 2.0], [1e4, *[0.0] * 41], [-1e4, *[0.0] * 41]]
    logits = torch.tensor(rows, requires_grad=True)
    target = torch.zeros(3, 42)
    target[:, 41], target[1:, 0] = 0.5, 0.5
    losses = poly_cross_entropy(logits, target, 1.0, gamma=0.5, reduction="none")
    # float64 is always computed by torch, which has no answer for a label of 0 at a logit of -inf.
    exact, labels = logits.detach().double(), target.double()
    expected = [
        poly_cross_entropy(*pair, 1.0, gamma=0.5)
        for pair in ((exact[0, 40:], labels[0, 40:]), *zip(exact[1:], labels[1:], strict=True))
    ]
    torch.testing.assert_close(losses.double(), torch.stack(expected), rtol=1e-5, atol=1e-6)
    losses.sum().backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_samples_without_weight(smoothing):
    logits = _logits(2, 5)
    logits[1] = float("nan")
    logits.requires_grad_()
    arguments = {"label_smoothing": smoothing, "ignore_index": 3}
    poly_cross_entropy(logits, torch.tensor([0, 3]), 1.0, **arguments).backward()
    assert logits.grad[0].isfinite().all()
    assert (logits.grad[1] == 0).all()
    (slope,) = torch.autograd.grad(
        poly_cross_entropy(logits, torch.tensor([3, 3]), 1.0, **arguments), logits
    )
    assert (slope == 0).all()


def test_an_index_out_of_range_is_never_read():
    losses = poly_cross_entropy(_logits(2, 5), torch.tensor([5, -1]), 1.0, reduction="none")
    # On a GPU the kernel's assertion fails, which the interpreter does not evaluate.
    assert losses.isnan().all()


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(
    ("target", "smoothing"),
    [(INDEX, 0.0), (INDEX, 0.1), (PROBABILITIES, 0.0)],
    ids=["index", "smoothed", "probabilities"],
)
def test_function_transforms(target, smoothing, reduction):
    stack = torch.stack([_logits(3, 4), -_logits(3, 4)])
    options = {"gamma": 1.5, "label_smoothing": smoothing, "reduction": reduction}

    def loss(logits):
        labels = target.to(logits.dtype) if target.is_floating_point() else target
        return poly_cross_entropy(logits, labels, 1.0, **options)

    def total(logits):
        return loss(logits).sum()

    for transformed in (
        torch.func.vmap(loss),
        torch.func.vmap(torch.func.grad(total)),
        torch.func.grad(lambda each: torch.func.vmap(loss)(each).sum()),
        lambda each: torch.func.jvp(loss, (each[0],), (each[1],))[1],
        lambda each: torch.func.jacrev(loss)(each[0]),
    ):
        expected = transformed(stack.double())
        torch.testing.assert_close(transformed(stack).double(), expected, rtol=1e-4, atol=1e-5)


def test_numbers_of_numpy_strided_weights_and_another_default_dtype():
    logits, index = _logits(4, 9).requires_grad_(), torch.tensor([0, 8, 3, 3])
    weight = torch.rand(18, generator=torch.Generator().manual_seed(2))[::2]
    probabilities = _logits(4, 9).neg().softmax(1)
    torch.set_default_dtype(torch.bfloat16)
    try:
        for target, options in (
            (index, {"label_smoothing": numpy.float64(0.1), "ignore_index": numpy.int64(3)}),
            (index, {"terms": numpy.int64(3)}),
            (probabilities, {}),
        ):
            ours = poly_cross_entropy(logits, target, 1.0, weight=weight, **options)
            labels = target.double() if target.is_floating_point() else target
            arguments = {"weight": weight.double(), **options}
            exact = poly_cross_entropy(logits.double(), labels, 1.0, **arguments)
            torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=1e-6)
            slopes = [torch.autograd.grad(loss, logits)[0] for loss in (ours, exact)]
            torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-6)
    finally:
        torch.set_default_dtype(torch.float32)
    alpha = numpy.float32(0.25)
    ours = poly_binary_cross_entropy(logits, probabilities, 1.0, alpha=alpha)
    exact = poly_binary_cross_entropy(logits.double(), probabilities.double(), 1.0, alpha=0.25)
    torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=1e-6)


def test_saturated_and_forbidden_logits():
    rows = [[15.0, 0, 0], [1e4, 0, 0], [-1e4, 0, 0], [1e4, 1e4, 1e4], [0, float("-inf"), 1.0]]
    logits = torch.tensor(rows, requires_grad=True)
    index = torch.zeros(5, dtype=torch.int64)
    loss = poly_cross_entropy(logits, index, gamma=0.5, reduction="sum")
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
    q = poly_cross_entropy(logits[:1], index[:1], terms=1)
    assert q.item() == pytest.approx(2 / (2 + torch.e**15), rel=1e-5)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("series", SERIES, ids=str)
def test_sigmoid_form(series, alpha, reduction):
    # More elements than a block holds, and not a multiple of it.
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(300, 5, generator=generator) * 4
    for target in (
        torch.randint(0, 2, (300, 5), generator=generator),
        torch.randint(0, 2, (300, 5), generator=generator).bool(),
        torch.rand(300, 5, generator=generator),
    ):
        leaf, exact = logits.clone().requires_grad_(), logits.double().requires_grad_()
        arguments = {**series, "alpha": alpha, "reduction": reduction}
        ours = poly_binary_cross_entropy(leaf, target, **arguments)
        # float64 is always computed by torch; that code is tested against the oracle.
        expected = poly_binary_cross_entropy(exact, target, **arguments)
        torch.testing.assert_close(ours.double(), expected, rtol=2e-5, atol=1e-6)
        factor = torch.linspace(1, 2, ours.numel()).view(ours.shape)
        (ours * factor).sum().backward()
        (expected * factor).sum().backward()
        torch.testing.assert_close(leaf.grad.double(), exact.grad, rtol=1e-4, atol=1e-6)


def test_sigmoid_form_on_saturated_logits():
    logits = torch.tensor([-1e4, -100, -15, 0, 15, 100, 1e4], requires_grad=True)
    loss = poly_binary_cross_entropy(logits, torch.ones(7), (1.0, 1.0), gamma=0.5, terms=3)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_second_derivatives_several_gradients_and_empty_batches():
    logits, index = _logits(3, 4).requires_grad_(), torch.tensor([0, 1, 2])
    for function in (
        lambda: poly_cross_entropy(logits, index, 1.0, gamma=2.0),
        lambda: poly_cross_entropy(logits, PROBABILITIES, 1.0, gamma=2.0),
        lambda: poly_binary_cross_entropy(logits, torch.ones(3, 4), 1.0, gamma=2.0),
    ):
        factors, loss = torch.tensor([1.0, -2.0]), function()
        (slopes,) = torch.autograd.grad(function(), logits, factors, is_grads_batched=True)
        (slope,) = torch.autograd.grad(function(), logits)
        torch.testing.assert_close(slopes, factors.view(2, 1, 1) * slope)
        (slope,) = torch.autograd.grad(loss, logits, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.square().sum(), logits)
        assert curvature.abs().sum() > 0
    empty = torch.zeros(0, 4, requires_grad=True)
    total = poly_cross_entropy(empty, index[:0], 1.0, reduction="sum")
    total = total + poly_cross_entropy(empty, empty.detach(), 1.0, reduction="sum")
    total = total + poly_binary_cross_entropy(empty, empty.detach(), 1.0, reduction="sum")
    total.backward()
    assert total == 0


class _Operations(TorchDispatchMode):
    """Names of the torch operations that would launch something on a GPU."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket._qualified_op_name.removeprefix("aten::")
        if name not in {"promote_types", "empty", "new_empty", "select", "unbind"}:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("target", "options", "expected"),
    [
        (INDEX, {}, ["sum", "div"]),
        (INDEX, {"label_smoothing": 0.1, "weight": torch.rand(4)}, ["sum", "div"]),
        (PROBABILITIES, {}, ["mean"]),
    ],
    ids=["index", "smoothed", "probabilities"],
)
def test_a_training_step_launches_little_beside_the_kernels(target, options, expected, monkeypatch):
    # The interpreter moves arrays about with torch.
    launched = []
    idle = defaultdict(lambda: lambda *_, **__: launched.append(1))
    for module in (triton_cross_entropy, triton_soft_labels):
        monkeypatch.setattr(module, "_forward_kernel", idle)
        monkeypatch.setattr(module, "_backward_kernel", idle)
    logits = _logits(3, 4).requires_grad_()
    with _Operations() as forward:
        loss = poly_cross_entropy(logits, target, (1.0, 0.5), gamma=2.0, **options)
    seed = torch.ones(())
    with _Operations() as backward:
        torch.autograd.grad(loss, logits, seed)
    assert forward.names == expected
    assert backward.names == []
    assert len(launched) == 2
