"""The Triton kernels in Triton's interpreter, against the float64 oracle.

Not collected with the other tests: ``test_losses_triton.py`` runs this file in a process of its own
with TRITON_INTERPRET=1, which must be set before triton is imported.
"""

from itertools import product

import losses_oracle as oracle
import numpy
import pytest
import torch
import triton
from triton.runtime import interpreter

from polyrepro.losses import (
    PolySeries,
    SoftGate,
    poly_cross_entropy,
    series_cross_entropy,
    set_backend,
    softmax_rows_triton,
)

SERIES = [
    {"epsilon": 2.0},
    {"epsilon": (0.5, -0.3, 0.2)},
    {"terms": 3},
    {"gamma": 0.5},
    {"epsilon": (0.4, 0.1), "terms": 4, "gamma": 1.5},
]
INDEX = torch.tensor([0, 3, -100])
PROBABILITIES = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 1.0, 0.0], [0.5, 0.5, 0.0, 0.0]])

if tuple(map(int, triton.__version__.split(".")[:2])) < (3, 9):
    patch_tensors = interpreter._patch_lang_tensor

    def with_index(tensor, scope):
        """As in Triton 3.9; 3.6 takes int() of an array, which numpy refuses from 2.4 on."""
        patch_tensors(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.squeeze()))

    interpreter._patch_lang_tensor = with_index


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    """Choose the kernels, and count their use so that a silent fall-back is a failure."""
    calls = []

    def counted(function):
        def launch(*arguments):
            calls.append(function)
            return function(*arguments)

        return launch

    for name in ("forward", "backward"):
        monkeypatch.setattr(softmax_rows_triton, name, counted(getattr(softmax_rows_triton, name)))
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
    monkeypatch.setattr(softmax_rows_triton, "LARGEST_BLOCK", 16)
    # A transposed array: classes are not next to each other in memory.
    logits = _logits(classes, 3).T.requires_grad_()
    index = torch.tensor([0, classes - 1, classes // 2])
    # A coefficient far below rounding, so that it is cross-entropy by our own code.
    nll = poly_cross_entropy(logits, index, 1e-30, reduction="none")
    expected = torch.nn.functional.cross_entropy(logits.double(), index, reduction="none")
    torch.testing.assert_close(nll.double(), expected, rtol=1e-5, atol=1e-6)
    slopes = [torch.autograd.grad(loss.sum(), logits)[0] for loss in (nll, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-6)


SMOOTHABLE = [PolySeries((0.4, 0.1), gamma=1.5), SoftGate(2)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("series", "smoothing"),
    [*product(SMOOTHABLE, [0.0, 0.1]), (PolySeries(0.5), 1.0), (PolySeries(0.5, terms=4), 0.0)],
    ids=str,
)
def test_class_weights_and_smoothing(series, weighted, smoothing, monkeypatch):
    monkeypatch.setattr(softmax_rows_triton, "LARGEST_BLOCK", 16)
    logits = _logits(7, 37).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    index = torch.tensor([0, 36, -100, 5, 16, -100, 15])
    weight = torch.rand(37, generator=torch.Generator().manual_seed(1)) if weighted else None
    arguments = {"weight": weight, "label_smoothing": smoothing, "reduction": "none"}
    ours = series_cross_entropy(logits, index, series, **arguments)
    # float64 is always computed by torch; that code is tested against the oracle.
    expected = series_cross_entropy(exact, index, series, **arguments)
    torch.testing.assert_close(ours.double(), expected, rtol=1e-5, atol=1e-6)
    factor = torch.linspace(1, 2, ours.numel()).view(ours.shape)
    (ours * factor).sum().backward()
    (expected * factor).sum().backward()
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("series", [*SMOOTHABLE, PolySeries(gamma=0.5)], ids=str)
def test_probabilities(series, dtype, weighted, monkeypatch):
    monkeypatch.setattr(softmax_rows_triton, "LARGEST_BLOCK", 16)
    logits = _logits(7, 37).to(dtype).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    generator = torch.Generator().manual_seed(1)
    target = torch.rand(37, 7, generator=generator).softmax(0).T
    # Labels whose sum is not one, and a class that is certain.
    target[0] *= 2
    target[1] = torch.eye(37)[3]
    weight = torch.rand(37, generator=generator) if weighted else None
    arguments = {"weight": weight, "reduction": "none"}
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


@pytest.mark.parametrize("target", [INDEX, PROBABILITIES], ids=["index", "probabilities"])
def test_mapping_is_refused(target):
    def loss(logits):
        return poly_cross_entropy(logits, target, 1.0)

    with pytest.raises(NotImplementedError, match=r'cannot be mapped.*set_backend\("torch"\)'):
        torch.vmap(loss)(_logits(3, 4).expand(2, 3, 4))
    # A gradient alone is no mapping, and what fails above must have been the kernels'.
    assert torch.func.grad(loss)(_logits(3, 4)).isfinite().all()


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


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("target", [INDEX, PROBABILITIES], ids=["index", "probabilities"])
def test_second_derivatives(target, smoothing):
    arguments = {"label_smoothing": smoothing, "weight": torch.linspace(0.5, 2, 4)}

    def curvature(logits):
        labels = target.to(logits.dtype) if target.is_floating_point() else target
        weight = arguments["weight"].to(logits.dtype)
        options = {**arguments, "weight": weight}
        loss = poly_cross_entropy(logits, labels, 1.0, gamma=2.0, **options)
        (slope,) = torch.autograd.grad(loss, logits, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), logits)[0]

    logits = _logits(3, 4)
    exact = curvature(logits.double().requires_grad_())
    torch.testing.assert_close(
        curvature(logits.requires_grad_()).double(), exact, rtol=1e-4, atol=1e-6
    )


def test_empty_batches():
    empty = torch.zeros(0, 4, requires_grad=True)
    total = poly_cross_entropy(empty, INDEX[:0], 1.0, reduction="sum")
    total = total + poly_cross_entropy(empty, empty.detach(), 1.0, reduction="sum")
    total.backward()
    assert total == 0
