"""Series: coefficients, gradient weights, and how a new one is made."""

import copy
import math
import pickle
from dataclasses import dataclass

import pytest
import torch

from polyrepro.losses import (
    HardGate,
    PolySeries,
    Series,
    SeriesBinaryCrossEntropyLoss,
    SeriesCrossEntropyLoss,
    leading_term,
    polynomial,
    series_binary_cross_entropy,
    series_cross_entropy,
)
from polyrepro.losses.polynomial import (
    evaluate_derivative,
    evaluate_polynomial,
    truncated_logarithm,
)

PT = torch.linspace(0.01, 0.99, 25, dtype=torch.float64)
Q = 1 - PT
LOG = torch.log(PT)
TABLE = [  # the table of gradient weights w(P_t)
    (PolySeries(), torch.ones_like(PT)),
    (PolySeries(2.0), 1 + 2 * PT),
    (PolySeries((0.5, -0.3, 0.2)), 1 + PT * (0.5 - 0.6 * Q + 0.6 * Q**2)),
    (PolySeries(terms=1), PT),
    (PolySeries(terms=4), 1 - Q**4),
    (PolySeries(gamma=2.0), Q**2 - 2 * PT * Q * LOG),
    (PolySeries(gamma=0.5), Q**0.5 - 0.5 * PT * Q**-0.5 * LOG),
    (PolySeries(1.5, gamma=2.0), Q**2 - 2 * PT * Q * LOG + 1.5 * 3 * PT * Q**2),
]


@dataclass(frozen=True)
class ScaledAndShifted(Series):
    """A stand-in for a researcher's new loss: ``scale * (-log P_t) + shift * sqrt(1 - P_t)``."""

    scale: float = 1.0
    shift: float = 0.0

    def base(self, nll):
        return self.scale * nll

    def polynomial(self, q):
        return self.shift * q.clamp(min=1e-12).sqrt()


@pytest.mark.parametrize(("series", "expected"), TABLE, ids=lambda value: repr(value)[:40])
def test_gradient_weight_is_the_table_s(series, expected):
    torch.testing.assert_close(series.gradient_weight(LOG), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "series", [*(row[0] for row in TABLE), ScaledAndShifted(2.0, 0.5)], ids=repr
)
def test_gradient_weight_is_the_derivative_of_the_value(series):
    leaf = LOG.clone().requires_grad_()
    (slope,) = torch.autograd.grad(series.value(leaf).sum(), leaf)
    torch.testing.assert_close(series.gradient_weight(LOG), -slope, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("weight", [None, torch.linspace(0.5, 2, 25, dtype=torch.float64)])
@pytest.mark.parametrize("series", [row[0] for row in TABLE], ids=repr)
def test_a_loss_is_made_of_its_three_parts(series, weight):
    base = series.base(-LOG)
    modulation, polynomial = series.modulation(Q), series.polynomial(Q)
    expected = base if modulation is None else modulation * base
    if polynomial is not None:
        expected = expected + (polynomial if weight is None else weight * polynomial)
    torch.testing.assert_close(series.combine(base, Q, weight), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("series", [row[0] for row in TABLE], ids=repr)
def test_leading_weight_is_the_first_coefficient_s_part(series):
    alpha = series.coefficients(1)[0]
    power = 1 + series.gamma
    expected = alpha * power * PT * Q**series.gamma
    torch.testing.assert_close(series.leading_weight(LOG), expected, rtol=1e-12, atol=0)


def test_the_leading_term_s_share():
    share, leading, whole = leading_term(PolySeries(), LOG.float())
    torch.testing.assert_close(share, PT, rtol=1e-6, atol=0)
    torch.testing.assert_close(leading, PT * Q, rtol=1e-5, atol=0)
    torch.testing.assert_close(whole, Q, rtol=1e-5, atol=0)
    series = PolySeries(2.0, gamma=1.5)
    share = leading_term(series, LOG).share
    torch.testing.assert_close(share, series.leading_weight(LOG) / series.gradient_weight(LOG))


def test_the_leading_term_s_share_at_the_ends():
    ends = torch.tensor([-1e4, -1e-20, 0.0])
    assert leading_term(PolySeries(2.0), ends).share.tolist() == pytest.approx([0, 1, 1], abs=1e-12)
    # A truncated series' gradient consists of its leading term where P_t is small.
    shares = leading_term(PolySeries(terms=1), ends).share.tolist()
    assert shares == pytest.approx([1, 1, 1], rel=1e-3)
    assert leading_term(PolySeries(terms=5), ends).share[0] == pytest.approx(0.2, rel=0.1)
    # A focal factor leaves 0 / 0 at P_t = 1, where the limit is 1.
    focal = leading_term(PolySeries(-0.5, gamma=2.0), ends).share.tolist()
    assert focal == pytest.approx([0, 1, 1], abs=1e-9)
    # Where the whole gradient vanishes, so does the leading term's.
    assert leading_term(HardGate(), ends).share.tolist() == [0, 0, 0]


def test_coefficients():
    assert PolySeries().coefficients(3) == [1, 1 / 2, 1 / 3]
    assert PolySeries((1.0, -0.5)).coefficients(3) == [2, 0, 1 / 3]
    assert PolySeries(terms=2).coefficients(4) == [1, 1 / 2, 0, 0]
    assert PolySeries((1.0, 2.0, 3.0), terms=1).coefficients(2) == [2, 2]


@dataclass(frozen=True)
class Cubed(Series):
    """``-2 log P_t + 3 (1 - P_t)^3``."""

    def base(self, nll):
        return 2 * nll

    def polynomial(self, q):
        return 3 * q**3


def test_the_leading_weight_of_any_series():
    torch.testing.assert_close(Cubed().leading_weight(LOG), 2 * PT)
    assert (Squared().leading_weight(LOG) == 0).all()


@pytest.mark.parametrize("short", [2**15, 0])
@pytest.mark.parametrize("count", [1, 2, 6, 7, 9, 10, 37, 200])
def test_polynomials_and_their_derivatives(count, short, monkeypatch):
    monkeypatch.setattr(polynomial, "SHORT_VECTOR", short)
    coefficients = [math.sin(j) for j in range(1, count + 1)]
    for value in (0.0, 0.3, 1.0):
        q = torch.full((2, 3), value, dtype=torch.float64)
        expected = math.fsum(c * value**j for j, c in enumerate(coefficients, start=1))
        slope = math.fsum(j * c * value ** (j - 1) for j, c in enumerate(coefficients, start=1))
        computed = evaluate_polynomial(q, coefficients)
        assert computed.shape == q.shape
        assert computed[0, 0].item() == pytest.approx(expected, rel=1e-12, abs=1e-14)
        derivative = evaluate_derivative(q, coefficients) + torch.zeros_like(q)
        assert derivative[1, 2].item() == pytest.approx(slope, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("terms", [21, 40, 100, 1000])
def test_truncated_logarithms_of_large_arrays(dtype, terms, monkeypatch):
    # Most classes have a probability below 1 / terms, where another expansion is used.
    probabilities = torch.logspace(-12, 0, 61, dtype=dtype)
    q = (1 - probabilities).clamp(min=0)
    expected = [
        math.fsum(value**j / j for j in range(1, terms + 1)) for value in q.double().tolist()
    ]
    monkeypatch.setattr(polynomial, "SHORT_VECTOR", 0)
    with torch.no_grad():
        computed = truncated_logarithm(q.unsqueeze(0), terms).squeeze(0)
    tolerance = 1e-13 if dtype == torch.float64 else 1e-5
    assert computed.tolist() == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("short", [2**15, 0])
@pytest.mark.parametrize("terms", [13, 100, 1000])
def test_value_and_derivatives_of_long_series_at_both_ends(terms, short, monkeypatch):
    monkeypatch.setattr(polynomial, "SHORT_VECTOR", short)
    distances = [0.0, 1e-15, 1e-9, 1e-4, 1e-2, 0.5, 1 - 1e-9, 1.0]
    q = (1 - torch.tensor(distances, dtype=torch.float64)).requires_grad_()
    coefficients = [1 / j for j in range(1, terms + 1)]
    value = evaluate_polynomial(q, coefficients)
    (first,) = torch.autograd.grad(value.sum(), q, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), q)
    for order, computed in enumerate((value, first, second)):
        expected = [
            math.fsum(
                math.perm(j, order) / j * x ** (j - order) for j in range(max(order, 1), terms + 1)
            )
            for x in q.tolist()
        ]
        assert computed.tolist() == pytest.approx(expected, rel=1e-12)


@dataclass(frozen=True)
class Squared(Series):
    """A bounded loss given by q: ``(1 - P_t)^2``, in expectation over soft labels."""

    def bounded_base(self, q):
        return q**2


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)])
def test_a_bounded_series(weight, smoothing):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    index = torch.tensor([0, 2, 1, 1])
    one_hot = torch.nn.functional.one_hot(index, 3).double()
    labels = one_hot * (1 - smoothing) + smoothing / 3
    factor = 1 if weight is None else weight
    expected = (labels * factor * (1 - logits.softmax(1)) ** 2).sum(1)
    for target in (index, one_hot):
        arguments = {"weight": weight, "label_smoothing": smoothing, "reduction": "none"}

        def losses(z, target=target, arguments=arguments):
            return series_cross_entropy(z, target, Squared(), **arguments)

        torch.testing.assert_close(losses(logits), expected)
        assert torch.autograd.gradcheck(losses, logits)
        assert torch.autograd.gradgradcheck(losses, logits)
    sigmoid = series_binary_cross_entropy(logits, one_hot, Squared(), reduction="none")
    p = torch.sigmoid(logits)
    torch.testing.assert_close(sigmoid, one_hot * (1 - p) ** 2 + (1 - one_hot) * p**2)


def test_a_new_series_works_in_both_forms_with_its_derivatives():
    series = ScaledAndShifted(scale=1.5, shift=0.7)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    index = torch.tensor([0, 2, 1, 1])
    pt = logits.softmax(1).gather(1, index.unsqueeze(1)).squeeze(1)
    expected = -1.5 * pt.log() + 0.7 * (1 - pt).sqrt()
    losses = series_cross_entropy(logits, index, series, reduction="none")
    torch.testing.assert_close(losses, expected)
    torch.testing.assert_close(SeriesCrossEntropyLoss(series)(logits, index), expected.mean())
    soft = torch.nn.functional.one_hot(index, 3).double()
    for target in (index, soft):
        for smoothing in (0.0, 0.1):
            assert torch.autograd.gradcheck(
                lambda z, y=target, s=smoothing: series_cross_entropy(
                    z, y, series, label_smoothing=s
                ),
                logits,
            )
    p = torch.sigmoid(logits)
    binary = series_binary_cross_entropy(logits, torch.ones(4, 3), series, reduction="none")
    torch.testing.assert_close(binary, -1.5 * p.log() + 0.7 * (1 - p).sqrt())
    module = SeriesBinaryCrossEntropyLoss(series, alpha=0.25)
    assert torch.autograd.gradcheck(lambda z: module(z, soft), logits)
    assert "ScaledAndShifted(scale=1.5, shift=0.7)" in repr(module)


def test_series_and_modules_can_be_copied_and_sent_elsewhere():
    module = SeriesCrossEntropyLoss(PolySeries((2.0, -0.1), gamma=0.5))
    logits, index = torch.randn(3, 4), torch.tensor([0, 1, 2])
    weighted = SeriesCrossEntropyLoss(PolySeries(1.0), weight=torch.rand(4))
    other = SeriesCrossEntropyLoss(PolySeries(1.0), weight=torch.rand(4))
    other.load_state_dict(weighted.state_dict())
    assert torch.equal(other(logits, index), weighted(logits, index))
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert twin.series == module.series
        assert torch.equal(twin(logits, index), module(logits, index))
    assert PolySeries(1) == PolySeries((1.0,))
    assert len({PolySeries(1), PolySeries([1.0]), PolySeries(2)}) == 2
