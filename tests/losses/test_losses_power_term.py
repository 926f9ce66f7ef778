"""The term e q^j for real j, against its formula in Python floats."""

import math
import re

import pytest
import torch

from polyrepro.losses import (
    PowerTerm,
    poly_cross_entropy,
    series_binary_cross_entropy,
    series_cross_entropy,
)

LOGITS = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
INDEX = torch.tensor([0, 3, 2, 1, 1])


@pytest.mark.parametrize("power", [0.1, 0.5, 1.0, 1.5, 2.0, 7.3])
def test_value_and_gradient_weight(power):
    series = PowerTerm(-0.7, power)
    losses = series_cross_entropy(LOGITS, INDEX, series, reduction="none")
    pt = LOGITS.softmax(1).gather(1, INDEX.unsqueeze(1)).squeeze(1)
    weights = series.gradient_weight(pt.log())
    for p, loss, weight in zip(pt.tolist(), losses.tolist(), weights.tolist(), strict=True):
        assert loss == pytest.approx(-math.log(p) - 0.7 * (1 - p) ** power, rel=1e-12)
        expected = 1 - 0.7 * power * p * (1 - p) ** (power - 1)
        assert weight == pytest.approx(expected, rel=1e-12)
    logits = LOGITS.clone().requires_grad_()
    for target in (INDEX, LOGITS.neg().softmax(1)):
        assert torch.autograd.gradcheck(
            lambda z, y=target: series_cross_entropy(z, y, series), logits
        )


def test_special_cases():
    first = series_cross_entropy(LOGITS, INDEX, PowerTerm(2.0, 1.0))
    torch.testing.assert_close(first, poly_cross_entropy(LOGITS, INDEX, 2.0))
    none = series_cross_entropy(LOGITS, INDEX, PowerTerm(0.0, 0.5))
    assert torch.equal(none, torch.nn.functional.cross_entropy(LOGITS, INDEX))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("power", [0.01, 0.5, 1.5])
def test_saturated_logits(power, dtype):
    series = PowerTerm(1.0, power)
    rows = [[15.0, 0, 0], [45.0, 0, 0], [90.0, 0, 0], [1e4, 0, 0], [-1e4, 0, 0]]
    logits = torch.tensor(rows, dtype=dtype, requires_grad=True)
    index, labels = torch.zeros(5, dtype=torch.int64), torch.ones(5, 3)
    for loss in (
        series_cross_entropy(logits, index, series, reduction="sum"),
        series_binary_cross_entropy(logits, labels, series, reduction="sum"),
    ):
        (slope,) = torch.autograd.grad(loss, logits, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.double().square().sum(), logits)
        assert all(each.isfinite().all() for each in (loss, slope, curvature))
    certain = series_cross_entropy(logits[3:4], index[:1], series)
    assert certain == 0


@pytest.mark.parametrize("power", [0.5, 1.0, 2.5])
def test_the_leading_term_is_of_first_order(power):
    log_pt = torch.tensor([0.2, 0.9], dtype=torch.float64).log()
    coefficient = 3.0 if power == 1 else 1.0
    expected = coefficient * log_pt.exp()
    torch.testing.assert_close(PowerTerm(2.0, power).leading_weight(log_pt), expected)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1.0, 0.0), ValueError, "power must be a finite number > 0, got 0.0"),
        ((1.0, "2"), TypeError, "power must be a finite number > 0, got '2'"),
        ((float("nan"), 0.5), ValueError, "epsilon must be a finite number, got nan"),
        (((1.0,), 0.5), TypeError, "epsilon must be a finite number, got (1.0,)"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        PowerTerm(*arguments)
