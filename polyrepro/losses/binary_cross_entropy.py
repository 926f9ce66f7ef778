"""The sigmoid form of the PolyLoss family: multi-label classification and dense detection."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyrepro.losses.checks import (
    check_fraction,
    check_is_series,
    check_reduction,
    check_sigmoid_input,
)
from polyrepro.losses.elements import element_losses
from polyrepro.losses.poly_series import PolySeries
from polyrepro.losses.reduction import reduced
from polyrepro.losses.series import Series


def poly_binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    epsilon: float | Sequence[float] = (),
    *,
    terms: int | None = None,
    gamma: float = 0.0,
    alpha: float | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """PolyLoss on sigmoid probabilities, per element (Leng et al., ICLR 2022).

    With p = sigmoid(input), y = target and ``q = y (1 - p) + (1 - y) p``::

        L = a(y) (q^gamma * (-y log p - (1 - y) log(1 - p)) + sum_j e_j q^(j + gamma))

    where ``a(y) = alpha y + (1 - alpha) (1 - y)``, or 1 without alpha. **Alpha weights both
    terms**; implementations that leave the polynomial unweighted mean something else by epsilon.

    Without epsilon, terms, gamma and alpha this is ``binary_cross_entropy_with_logits`` bit for
    bit. Otherwise half-precision logits are computed in float32, and the result is float32.

    Args:
        input: logits of any shape.
        target: labels in [0, 1], hard or soft, of the same shape; any real dtype.
        epsilon, terms, gamma: the series, as in :func:`poly_cross_entropy`.
        alpha: weight of the positives in [0, 1]; the negatives have 1 - alpha. None: no weights.
        weight: multiplies the losses, broadcast to their shape, as in torch.
        reduction: ``none``, ``sum``, or ``mean`` over the elements.

    Raises:
        TypeError, ValueError: naming the argument, its value and what is allowed.
    """
    series = PolySeries(epsilon, terms, gamma)
    return series_binary_cross_entropy(
        input, target, series, alpha=alpha, weight=weight, reduction=reduction
    )


def series_binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    series: Series,
    *,
    alpha: float | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Any :class:`Series`, per element; arguments as in :func:`poly_binary_cross_entropy`."""
    check_is_series(series)
    check_reduction(reduction)
    check_sigmoid_input(input, target, weight)
    if alpha is not None:
        check_fraction("alpha", alpha)
    if series.is_cross_entropy and alpha is None:
        return functional.binary_cross_entropy_with_logits(
            input,
            target if target.is_floating_point() else target.to(input.dtype),
            weight,
            reduction=reduction,
        )
    if weight is None and reduction != "none":
        total = element_losses(input, target, series, alpha, summed=True)
        return total / input.numel() if reduction == "mean" else total
    losses = element_losses(input, target, series, alpha, summed=False)
    return reduced(losses if weight is None else losses * weight, None, reduction)


class SeriesBinaryCrossEntropyLoss(nn.Module):
    """Module form of :func:`series_binary_cross_entropy`, with the same arguments."""

    weight: Tensor | None

    def __init__(
        self,
        series: Series,
        *,
        alpha: float | None = None,
        weight: Tensor | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        check_is_series(series)
        check_reduction(reduction)
        if alpha is not None:
            check_fraction("alpha", alpha)
        self.series = series
        self.series_for_compilation = series.for_compilation()
        self.alpha = alpha
        self.register_buffer("weight", weight)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        series = self.series_for_compilation if torch.compiler.is_compiling() else self.series
        return series_binary_cross_entropy(
            input, target, series, alpha=self.alpha, weight=self.weight, reduction=self.reduction
        )

    def extra_repr(self) -> str:
        return f"{self.series!r}, alpha={self.alpha}, reduction={self.reduction!r}"


class PolyBinaryCrossEntropyLoss(SeriesBinaryCrossEntropyLoss):
    """Module form of :func:`poly_binary_cross_entropy`, with the same arguments."""

    def __init__(
        self,
        epsilon: float | Sequence[float] = (),
        *,
        terms: int | None = None,
        gamma: float = 0.0,
        **arguments: Any,
    ) -> None:
        super().__init__(PolySeries(epsilon, terms, gamma), **arguments)
