"""The softmax form of the PolyLoss family: a drop-in for ``torch.nn.functional.cross_entropy``."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyrepro.losses.checks import (
    check_class_weight,
    check_fraction,
    check_is_series,
    check_reduction,
    check_softmax_input,
)
from polyrepro.losses.poly_series import PolySeries
from polyrepro.losses.reduction import computing_dtype, is_known, reduced
from polyrepro.losses.row_statistics import row_statistics
from polyrepro.losses.series import Series


def poly_cross_entropy(
    input: Tensor,
    target: Tensor,
    epsilon: float | Sequence[float] = (),
    *,
    terms: int | None = None,
    gamma: float = 0.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """PolyLoss on softmax probabilities (Leng et al., ICLR 2022).

    With ``P_t = sum_i y_i p_i``, q = 1 - P_t and y the (smoothed) labels::

        L = q^gamma * (-sum_i y_i log p_i) + sum_j e_j q^(j + gamma)

    Without epsilon (or all zeros), terms and gamma, the result is bit for bit
    ``torch.nn.functional.cross_entropy``'s. Otherwise half-precision logits are computed in
    float32, and the result is float32.

    Args:
        input: logits, ``(C,)``, ``(N, C)`` or ``(N, C, d1, ...)``.
        target: class indices (int64, the shape of input without C) or probabilities (the shape of
            input).
        epsilon: e_1 .. e_N, a number (Poly-1) or a sequence of numbers (Poly-N). Values below
            -1/j are allowed with a warning.
        terms: keep only the first N >= 1 terms of the logarithm's series, in expectation over the
            labels: ``sum_i y_i sum_{j<=N} (1 - p_i)^j / j``, plus the epsilon terms.
        gamma: focal exponent >= 0.
        weight: one weight per class. It multiplies the sample's whole loss; with soft or smoothed
            labels each class's term of the expectation, as in torch, and the polynomial by the
            expected weight ``sum_i y_i w_i``, so that an index and its one-hot labels agree.
        ignore_index: class index whose samples are left out.
        label_smoothing: s in [0, 1]; labels become ``y (1 - s) + s / C``, in both terms.
        reduction: ``none``, ``sum``, or ``mean``: over the sum of the targets' weights for class
            indices, over the number of samples for probabilities, as in torch.

    Returns:
        A scalar, or one loss per sample (the shape of input without C) for ``none``.

    Raises:
        TypeError, ValueError: naming the argument, its value and what is allowed.
        IndexError: a class index out of range (on a GPU a device assertion, as in torch).
    """
    series = PolySeries(epsilon, terms, gamma)
    return _loss(input, target, series, weight, ignore_index, label_smoothing, reduction)


def series_cross_entropy(
    input: Tensor,
    target: Tensor,
    series: Series,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Any :class:`Series` on softmax probabilities; arguments as in :func:`poly_cross_entropy`."""
    return _loss(input, target, series, weight, ignore_index, label_smoothing, reduction)


def _loss(input, target, series, weight, ignore_index, label_smoothing, reduction) -> Tensor:
    check_is_series(series)
    check_reduction(reduction)
    check_fraction("label_smoothing", label_smoothing)
    check_softmax_input(input, target, ignore_index)
    check_class_weight(weight, input)
    if series.is_cross_entropy:
        return functional.cross_entropy(
            input,
            target,
            weight=weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            reduction=reduction,
        )
    if input.dim() == 1:
        one = (input.unsqueeze(0), target.unsqueeze(0))
        return _loss(*one, series, weight, ignore_index, label_smoothing, reduction).squeeze(0)
    dtype, smoothing, sample_weight = computing_dtype(input), float(label_smoothing), None
    weight = None if weight is None else weight.to(dtype)
    if target.is_floating_point():
        labels = target.to(dtype)
        if smoothing:
            labels = labels * (1 - smoothing) + smoothing / input.shape[1]
        losses = _label_losses(input, labels, series, weight)
    else:
        arguments = (series, weight, smoothing, ignore_index)
        losses, sample_weight = _index_losses(input, target, *arguments)
    return reduced(losses, sample_weight, reduction)


def _label_losses(logits, labels, series, class_weight) -> Tensor:
    """One loss per sample, class weights included."""
    base, q, mass = row_statistics(logits, labels, series, class_weight)
    return series.combine(base, q, None if class_weight is None else mass)


def _index_losses(
    logits, target, series, class_weight, smoothing, ignore_index
) -> tuple[Tensor, Tensor | None]:
    """One loss per sample, times its weight, and the weights that a mean divides by, if any."""
    index, kept = target.long(), target != ignore_index
    dropped = sample_weight = None
    if not is_known(kept.all()):
        # Ignored samples get class 0: any would do, because their weight is 0.
        index, dropped, sample_weight = index * kept, ~kept, kept.to(computing_dtype(logits))
    if class_weight is not None:
        own_weight = class_weight[index]
        sample_weight = own_weight if sample_weight is None else own_weight * sample_weight
    if smoothing:
        # The classes' terms of the expectation bring their own weights.
        losses = _smoothed_losses(logits, index, dropped, series, class_weight, smoothing)
        return losses if dropped is None else losses.masked_fill(dropped, 0), sample_weight
    dropped = None if sample_weight is None else sample_weight == 0
    nll, q, _ = row_statistics(logits, index, series, None, dropped=dropped)
    losses = series.combine(series.base_of(nll, q), q)
    return losses if sample_weight is None else losses * sample_weight, sample_weight


def _smoothed_losses(logits, index, dropped, series, class_weight, smoothing) -> Tensor:
    """One loss per sample for the labels ``(1 - s) [i == t] + s / C``."""
    share = smoothing / logits.shape[1]
    if not series.has_cross_entropy_base:
        labels = torch.full_like(logits, share, dtype=computing_dtype(logits))
        labels = labels.scatter(1, index.unsqueeze(1), 1 - smoothing + share)
        return _label_losses(logits, labels, series, class_weight)
    # Two numbers per sample are all that is needed, without ever making the array of labels.
    nll, q, mean_nll = row_statistics(logits, index, series, class_weight, True, dropped)
    q = (1 - smoothing) * q + smoothing - share
    own, mass = 1 - smoothing, None
    if class_weight is not None:
        own = own * class_weight[index]
        mass = own + smoothing * class_weight.mean()
    return series.combine(own * nll + smoothing * mean_nll, q, mass)


class SeriesCrossEntropyLoss(nn.Module):
    """Module form of :func:`series_cross_entropy`, with the same arguments."""

    weight: Tensor | None

    def __init__(
        self,
        series: Series,
        *,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        check_is_series(series)
        check_reduction(reduction)
        check_fraction("label_smoothing", label_smoothing)
        self.series = series
        self.series_for_compilation = series.for_compilation()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        series = self.series_for_compilation if torch.compiler.is_compiling() else self.series
        arguments = (self.weight, self.ignore_index, self.label_smoothing, self.reduction)
        return _loss(input, target, series, *arguments)

    def extra_repr(self) -> str:
        return (
            f"{self.series!r}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, reduction={self.reduction!r}"
        )


class PolyCrossEntropyLoss(SeriesCrossEntropyLoss):
    """Module form of :func:`poly_cross_entropy`, with the same arguments."""

    def __init__(
        self,
        epsilon: float | Sequence[float] = (),
        *,
        terms: int | None = None,
        gamma: float = 0.0,
        **arguments: Any,
    ) -> None:
        super().__init__(PolySeries(epsilon, terms, gamma), **arguments)
