"""Losses of regression as functions of the residual r = target - prediction.

Derivatives are those by the prediction, as descent and boosting use them: the gradient is
``-f'(r)``, the second derivative ``f''(r)``. Where a loss has a kink the gradient is 0 at a
minimum and a one-sided derivative elsewhere. Means over samples are up to the caller.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.atlas.parameters import check_quantile
from polyrepro.losses.checks import check_positive


class RegressionLoss:
    """Value and derivatives, elementwise on residuals of any shape."""

    def value(self, residual: Tensor) -> Tensor:
        raise NotImplementedError

    def gradient(self, residual: Tensor) -> Tensor:
        """Derivative of the value by the prediction."""
        raise NotImplementedError

    def second_derivative(self, residual: Tensor) -> Tensor:
        """Second derivative of the value by the prediction; 0 at a kink."""
        raise NotImplementedError


@dataclass(frozen=True)
class SquaredError(RegressionLoss):
    """``r^2``; its mean is the mean squared error."""

    def value(self, residual: Tensor) -> Tensor:
        return functional.mse_loss(residual, torch.zeros_like(residual), reduction="none")

    def gradient(self, residual: Tensor) -> Tensor:
        return -2 * residual

    def second_derivative(self, residual: Tensor) -> Tensor:
        return torch.full_like(residual, 2)


@dataclass(frozen=True)
class AbsoluteError(RegressionLoss):
    """``|r|``; its mean is the mean absolute error."""

    def value(self, residual: Tensor) -> Tensor:
        return functional.l1_loss(residual, torch.zeros_like(residual), reduction="none")

    def gradient(self, residual: Tensor) -> Tensor:
        return -residual.sign()

    def second_derivative(self, residual: Tensor) -> Tensor:
        return torch.zeros_like(residual)


@dataclass(frozen=True)
class BiasError(RegressionLoss):
    """``r`` itself; its mean is the mean bias error, in which signs cancel."""

    def value(self, residual: Tensor) -> Tensor:
        return residual

    def gradient(self, residual: Tensor) -> Tensor:
        return torch.full_like(residual, -1)

    def second_derivative(self, residual: Tensor) -> Tensor:
        return torch.zeros_like(residual)


@dataclass(frozen=True)
class Huber(RegressionLoss):
    """``r^2 / 2`` where ``|r| <= delta``, else ``delta (|r| - delta / 2)`` (Huber, 1964).

    Args:
        delta: > 0, in the unit of the residuals: beyond it a residual counts as an outlier.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        check_positive("delta", self.delta)

    def value(self, residual: Tensor) -> Tensor:
        zero = torch.zeros_like(residual)
        return functional.huber_loss(residual, zero, reduction="none", delta=self.delta)

    def gradient(self, residual: Tensor) -> Tensor:
        return -residual.clamp(-self.delta, self.delta)

    def second_derivative(self, residual: Tensor) -> Tensor:
        return (residual.abs() < self.delta).to(residual.dtype)


@dataclass(frozen=True)
class LogCosh(RegressionLoss):
    """``log cosh r``, finite for every finite residual."""

    def value(self, residual: Tensor) -> Tensor:
        size = residual.abs()
        return size + functional.softplus(-2 * size) - math.log(2)

    def gradient(self, residual: Tensor) -> Tensor:
        return -residual.tanh()

    def second_derivative(self, residual: Tensor) -> Tensor:
        # 1 - tanh^2 in a form that keeps its digits where tanh rounds to 1.
        return 4 * torch.sigmoid(2 * residual) * torch.sigmoid(-2 * residual)


@dataclass(frozen=True)
class Quantile(RegressionLoss):
    """``quantile r`` where the prediction is too low, ``(quantile - 1) r`` where it is too high.

    Args:
        quantile: between 0 and 1, exclusive; 0.5 is half the absolute error.
    """

    quantile: float = 0.5

    def __post_init__(self) -> None:
        check_quantile("quantile", self.quantile)

    def value(self, residual: Tensor) -> Tensor:
        return torch.maximum(self.quantile * residual, (self.quantile - 1) * residual)

    def gradient(self, residual: Tensor) -> Tensor:
        side = torch.where(residual > 0, -self.quantile, 1 - self.quantile).to(residual.dtype)
        return side * (residual != 0)

    def second_derivative(self, residual: Tensor) -> Tensor:
        return torch.zeros_like(residual)


REGRESSION_LOSSES: dict[str, RegressionLoss] = {
    "squared": SquaredError(),
    "absolute": AbsoluteError(),
    "mean bias": BiasError(),
    "Huber, δ = 1": Huber(1.0),
    "log-cosh": LogCosh(),
    "quantile 0.9": Quantile(0.9),
}
"""As figures and tables call them."""
