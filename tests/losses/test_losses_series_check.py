"""check_series: every built-in series passes; what is wrong with another is in the message."""

from dataclasses import dataclass

import pytest
import torch

from polyrepro.losses import HardGate, PolySeries, PowerTerm, Series, SoftGate, check_series


class Named(Series):
    def __repr__(self):
        return "Mine(3)"


@pytest.mark.parametrize(
    "series",
    [
        Named(),
        PolySeries(),
        PolySeries(2.0),
        PolySeries((0.5, -0.3, 0.2)),
        PolySeries(terms=1),
        PolySeries(terms=100),
        PolySeries(gamma=0.1),
        PolySeries(0.4, terms=3, gamma=1.3),
        PolySeries([0.1] * 40),
        HardGate(),
        HardGate(0.0),
        HardGate(1.0),
        SoftGate(),
        SoftGate(200.0),
        PowerTerm(1.0, 0.5),
        PowerTerm(-1.0, 0.01),
        PowerTerm(2.0, 2.5),
    ],
    ids=repr,
)
def test_built_in_series_pass(series):
    assert check_series(series) is None


class InfiniteAtOne(Named):
    def modulation(self, q):
        return q**-0.5


class UndefinedAtOne(Named):
    def polynomial(self, q):
        return q * torch.log(q)


class InfiniteDerivative(Named):
    def polynomial(self, q):
        return q.sqrt()


class Overflowing(Named):
    def base(self, nll):
        return torch.exp(nll) - 1


class UnboundedBase(Named):
    def bounded_base(self, q):
        return -torch.log(1 - q)


class OnlyInFloat32(Named):
    def polynomial(self, q):
        return 1 / (q + 1e-60) * q


class Detached(Named):
    def polynomial(self, q):
        return q.detach() ** 2


class ThroughNumpy(Named):
    def polynomial(self, q):
        return torch.from_numpy(q.numpy() ** 2)


class Summed(Named):
    def polynomial(self, q):
        return q / q.sum()


class Reduced(Named):
    def modulation(self, q):
        return q.mean()


class Double(Named):
    def polynomial(self, q):
        return q.double()


class NoTensor(Named):
    def polynomial(self, q):
        return 0.5


class InPlace(Named):
    def polynomial(self, q):
        return q.mul_(2)


class BothBases(Named):
    def base(self, nll):
        return 2 * nll

    def bounded_base(self, q):
        return q


class WrongWeight(Named):
    def polynomial(self, q):
        return q**2

    def gradient_weight(self, log_pt):
        return torch.ones_like(log_pt)


class WrongDerivative(Named):
    def polynomial(self, q):
        return 2 * q

    def combine_with_derivatives(self, base, q):
        return self.combine(base, q), torch.ones_like(q), torch.full_like(q, -2)


class WrongValue(Named):
    def value(self, log_pt):
        return -2 * log_pt


class WrongBaseWeight(Named):
    def base(self, nll):
        return nll**2

    def base_weight(self, nll):
        return nll


class NotCrossEntropy(Named):
    is_cross_entropy = True

    def polynomial(self, q):
        return q


@pytest.mark.parametrize(
    ("series", "error", "message"),
    [
        (InfiniteAtOne, ValueError, "modulation is inf at P_t = 1 .*q.clamp"),
        (UndefinedAtOne, ValueError, "polynomial is nan at P_t = 1 .*must be finite"),
        (
            InfiniteDerivative,
            ValueError,
            "the derivative of polynomial by q is inf at P_t = 1 ",
        ),
        (Overflowing, ValueError, "base is inf at P_t = 0 .*must be finite from P_t = 0 to 1"),
        (UnboundedBase, ValueError, "bounded_base is inf at P_t = 0 "),
        (OnlyInFloat32, ValueError, r"polynomial is nan at P_t = 1 in torch\.float32"),
        (Detached, ValueError, "polynomial is not differentiable: at P_t = .* gives 0, .*detach"),
        (ThroughNumpy, ValueError, "polynomial fails with RuntimeError: .*numpy"),
        (Summed, ValueError, "polynomial is not elementwise: at P_t = .*from itself alone"),
        (Reduced, ValueError, r"modulation must return the shape .*got \(\) and torch.float64"),
        (Double, ValueError, r"polynomial must return .*torch.float32, got .*torch.float64"),
        (NoTensor, TypeError, "polynomial must return a tensor, got float"),
        (InPlace, ValueError, "polynomial changes its argument in place"),
        (BothBases, ValueError, "overrides both base and bounded_base; override base if"),
        (WrongWeight, ValueError, "gradient_weight does not agree .*at P_t = .*leave it out"),
        (WrongDerivative, ValueError, r"combine_with_derivatives \(derivative by q\) does not"),
        (WrongValue, ValueError, "value does not agree with base, modulation and polynomial"),
        (WrongBaseWeight, ValueError, "base_weight does not agree"),
        (NotCrossEntropy, ValueError, "is_cross_entropy does not agree"),
    ],
)
def test_a_wrong_series_is_told_what_is_wrong(series, error, message):
    with pytest.raises(error, match=r"^Mine\(3\):? " + message):
        check_series(series())


def test_what_is_no_series():
    with pytest.raises(TypeError, match=r"series must be a polyrepro\.losses\.Series, got 2\.0"):
        check_series(2.0)


def test_a_step_at_a_place_that_is_tried_is_allowed():
    @dataclass(frozen=True)
    class Step(Series):
        at: float

        def polynomial(self, q):
            return (q > 1 - self.at).to(q.dtype)

    check_series(Step(0.5772))
