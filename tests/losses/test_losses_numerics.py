"""Half precision, saturated logits, and random cases against the float64 oracle."""

import itertools
import math

import losses_oracle as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyrepro.losses import poly_binary_cross_entropy, poly_cross_entropy

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
SERIES = [
    {"epsilon": 2.0},
    {"epsilon": (1.0, -0.5), "gamma": 0.5},
    {"gamma": 0.1},
    {"gamma": 2.0},
    {"terms": 3, "gamma": 0.3},
    {"terms": 50},
]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("classes", [2, 1000])
def test_one_minus_pt_at_a_margin_of_15(dtype, classes):
    logits = torch.zeros(1, classes, dtype=dtype)
    logits[0, 0] = 15
    odds = (classes - 1) * math.exp(-15)
    expected = odds / (1 + odds)
    index = torch.tensor([0])
    labels = torch.nn.functional.one_hot(index, classes).to(dtype)
    # The perturbation alone, in effect: a coefficient of 1e6 outweighs the cross-entropy term.
    for target in (index, labels):
        loss = poly_cross_entropy(logits, target, 1e6)
        assert loss.dtype == torch.float32
        assert loss.item() / (1e6 + 1) == pytest.approx(expected, rel=1e-5)
    assert poly_cross_entropy(logits, index, terms=1).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("series", SERIES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_loss_and_both_derivatives_are_finite_on_saturated_logits(dtype, series):
    index = torch.tensor([3, 3])
    labels = torch.nn.functional.one_hot(index, 5)
    for margin, smoothing in itertools.product([0, 15, 30, 90, 100, 1e3, 1e4], [0.0, 0.1]):
        logits = torch.zeros(2, 5, dtype=dtype)
        logits[0, 3] = margin
        logits[1, 3], logits[1, 4] = -margin, margin
        for target in (index, labels.to(dtype)):
            _assert_finite(
                lambda z, y=target, s=smoothing: poly_cross_entropy(
                    z, y, **series, label_smoothing=s
                ),
                logits,
            )
        for target in (labels, labels.to(dtype) * 0.8 + 0.1):
            _assert_finite(lambda z, y=target: poly_binary_cross_entropy(z, y, **series), logits)


def _assert_finite(function, point):
    leaf = point.clone().requires_grad_()
    loss = function(leaf)
    (slope,) = torch.autograd.grad(loss, leaf, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.double().square().sum(), leaf)
    assert loss.isfinite()
    assert slope.isfinite().all()
    assert curvature.isfinite().all()
    assert slope.dtype == point.dtype


def test_a_wrong_saturated_prediction_is_still_priced_and_pulled_back():
    logits = torch.tensor([[0.0, 1e4]], requires_grad=True)
    loss = poly_cross_entropy(logits, torch.tensor([0]), (1.0, 2.0))
    loss.backward()
    assert loss.item() == pytest.approx(1e4 + 3)
    assert logits.grad.tolist() == [[-1.0, 1.0]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(16, 9, generator=generator) * 3).to(dtype)
    index = torch.randint(0, 9, (16,), generator=generator)
    binary = torch.randint(0, 2, (16, 9), generator=generator)
    for series in SERIES:
        ours = poly_cross_entropy(logits, index, **series)
        assert torch.equal(ours, poly_cross_entropy(logits.float(), index, **series))
        ours = poly_binary_cross_entropy(logits, binary, **series)
        assert torch.equal(ours, poly_binary_cross_entropy(logits.float(), binary, **series))


def test_autocast_does_not_lower_the_precision():
    logits, index = torch.randn(8, 50) * 5, torch.arange(8)
    for series in SERIES:
        expected = poly_cross_entropy(logits, index, **series, label_smoothing=0.1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            ours = poly_cross_entropy(logits, index, **series, label_smoothing=0.1)
        assert torch.equal(ours, expected)


finite = st.floats(-30, 30, width=32)
coefficients = st.lists(st.floats(-1, 3), max_size=4).map(
    lambda values: [max(value, -1 / j) for j, value in enumerate(values, start=1)]
)
gammas = st.one_of(st.just(0.0), st.floats(0.05, 5))
terms = st.one_of(st.none(), st.integers(1, 60))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(finite, min_size=2, max_size=6), st.data(), coefficients, gammas, terms,
    st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([torch.float32, torch.float64]),
)  # fmt: skip
def test_any_softmax_loss_is_the_oracle_s(row, data, epsilon, gamma, terms, smoothing, dtype):
    index = data.draw(st.integers(0, len(row) - 1))
    labels = oracle.smoothed(oracle.one_hot(index, len(row)), smoothing)
    expected = oracle.softmax_loss(row, labels, epsilon, terms, gamma)
    arguments = {"terms": terms, "gamma": gamma, "label_smoothing": smoothing}
    logits = torch.tensor([row], dtype=dtype)
    hard = poly_cross_entropy(logits, torch.tensor([index]), epsilon, **arguments)
    one_hot = torch.tensor([oracle.one_hot(index, len(row))], dtype=dtype)
    soft = poly_cross_entropy(logits, one_hot, epsilon, **arguments)
    tolerance = (
        {"rel": 1e-10, "abs": 1e-13} if dtype == torch.float64 else {"rel": 3e-4, "abs": 3e-6}
    )
    assert hard.item() == pytest.approx(expected, **tolerance)
    assert soft.item() == pytest.approx(expected, **tolerance)


@settings(max_examples=150, deadline=None)
@given(
    finite, st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=32)), coefficients,
    gammas, terms, st.one_of(st.none(), st.floats(0, 1)),
)  # fmt: skip
def test_any_sigmoid_loss_is_the_oracle_s(logit, label, epsilon, gamma, terms, alpha):
    expected = oracle.sigmoid_loss(logit, label, epsilon, terms, gamma, alpha)
    point, target = torch.tensor([logit]).double(), torch.tensor([label]).double()
    arguments = {"terms": terms, "gamma": gamma, "alpha": alpha}
    ours = poly_binary_cross_entropy(point, target, epsilon, **arguments)
    assert ours.item() == pytest.approx(expected, rel=1e-9, abs=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.lists(finite, min_size=3, max_size=3), coefficients, gammas, terms, st.floats(-1e3, 1e3))
def test_a_shift_of_all_logits_changes_nothing(row, epsilon, gamma, terms, shift):
    logits = torch.tensor([row], dtype=torch.float64)
    for target in (torch.tensor([1]), torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)):
        arguments = (target, epsilon)
        first = poly_cross_entropy(logits, *arguments, terms=terms, gamma=gamma)
        second = poly_cross_entropy(logits + shift, *arguments, terms=terms, gamma=gamma)
        torch.testing.assert_close(first, second, rtol=1e-8, atol=1e-10)
