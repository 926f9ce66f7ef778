"""Values against scipy, scikit-learn and by hand; derivatives against automatic ones."""

import numpy as np
import pytest
import scipy.special
import torch
from sklearn.metrics import mean_pinball_loss

from polyrepro.atlas.properties import SAMPLE, STATED, best_constant, measure, properties_table
from polyrepro.atlas.regression_losses import (
    REGRESSION_LOSSES,
    AbsoluteError,
    BiasError,
    Huber,
    LogCosh,
    Quantile,
    SquaredError,
)

RESIDUALS = torch.tensor([-7.25, -1.5, -0.3, 0.2, 0.9, 2.75, 30.0], dtype=torch.float64)


@pytest.mark.parametrize("delta", [0.25, 1.0, 4.0])
def test_huber_is_scipy_s(delta):
    expected = scipy.special.huber(delta, RESIDUALS.numpy())
    np.testing.assert_allclose(Huber(delta).value(RESIDUALS), expected, rtol=1e-14)


def test_log_cosh_is_numpy_s_and_finite_far_away():
    expected = np.log(np.cosh(RESIDUALS.numpy()))
    np.testing.assert_allclose(LogCosh().value(RESIDUALS), expected, rtol=1e-13)
    assert LogCosh().value(torch.tensor([-1e6, 1e6])).isfinite().all()


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_loss_is_scikit_learn_s(quantile):
    ours = float(Quantile(quantile).value(RESIDUALS).mean())
    zeros = np.zeros(len(RESIDUALS))
    assert ours == pytest.approx(mean_pinball_loss(RESIDUALS.numpy(), zeros, alpha=quantile))


def test_values_by_hand():
    residual = torch.tensor([-2.0, 3.0])
    assert SquaredError().value(residual).tolist() == [4, 9]
    assert AbsoluteError().value(residual).tolist() == [2, 3]
    assert BiasError().value(residual).tolist() == [-2, 3]
    assert Huber(2.5).value(residual).tolist() == [2, 2.5 * (3 - 1.25)]
    assert Quantile(0.75).value(residual).tolist() == [0.5, 2.25]


@pytest.mark.parametrize("name", REGRESSION_LOSSES)
def test_derivatives_by_the_prediction(name):
    loss = REGRESSION_LOSSES[name]
    prediction = torch.zeros_like(RESIDUALS, requires_grad=True)
    value = loss.value(RESIDUALS - prediction).sum()
    (slope,) = torch.autograd.grad(value, prediction, create_graph=True)
    torch.testing.assert_close(loss.gradient(RESIDUALS), slope.detach())
    step = 1e-6
    quotient = (loss.gradient(RESIDUALS - step) - loss.gradient(RESIDUALS + step)) / (2 * step)
    torch.testing.assert_close(loss.second_derivative(RESIDUALS), quotient, atol=1e-8, rtol=1e-6)


def test_the_second_derivative_of_log_cosh_keeps_its_digits():
    far = torch.tensor(25.0, dtype=torch.float64)
    assert float(LogCosh().second_derivative(far)) == pytest.approx(4 * np.exp(-50.0), rel=1e-9)


@pytest.mark.parametrize("name", REGRESSION_LOSSES)
def test_measured_properties(name):
    assert measure(REGRESSION_LOSSES[name]) == STATED[name]


def test_a_loss_that_is_not_as_stated_is_found_out():
    found = measure(Quantile(0.75))
    assert (found.minimiser, found.outlier) == ("quantile 0.75", "at most 0.75")
    bounded = AbsoluteError()
    object.__setattr__(bounded, "value", lambda residual: residual.abs().clamp(max=1))
    assert not measure(bounded).convex and measure(bounded).range == "bounded"


def test_the_table_has_a_row_per_loss():
    table = properties_table()
    assert list(table["loss"]) == list(REGRESSION_LOSSES) and table["as_stated"].all()


def test_best_constants_by_hand():
    ninety_ten = np.concatenate([np.full(90, 150.0), np.linspace(0, 30, 10)])
    assert best_constant(SquaredError(), ninety_ten) == pytest.approx(136.5)
    assert best_constant(AbsoluteError(), ninety_ten) == pytest.approx(150, abs=1e-5)
    # Ten pulls of 1 balance 90 times the distance to 150.
    assert best_constant(Huber(1.0), ninety_ten) == pytest.approx(150 - 1 / 9)
    expected = np.quantile(SAMPLE, 0.9, method="inverted_cdf")
    assert best_constant(Quantile(0.9), SAMPLE) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("delta", [0, -1.0, float("nan"), float("inf")])
def test_delta_must_be_positive(delta):
    with pytest.raises(ValueError, match="delta must be a finite number > 0, got"):
        Huber(delta)


@pytest.mark.parametrize("quantile", [0, 1, -0.1, 1.5, float("nan")])
def test_a_quantile_lies_between_0_and_1(quantile):
    with pytest.raises(ValueError, match="quantile must be a number between 0 and 1, exclusive"):
        Quantile(quantile)


def test_parameters_must_be_numbers():
    with pytest.raises(TypeError, match=r"quantile must be a number between 0 and 1, got '0\.5'"):
        Quantile("0.5")
    with pytest.raises(TypeError, match="delta must be a finite number > 0, got None"):
        Huber(None)
