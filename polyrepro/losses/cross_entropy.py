"""The softmax form of the PolyLoss family: a drop-in for ``torch.nn.functional.cross_entropy``."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyrepro.losses.series import PolySeries, Series


def poly_cross_entropy(
    input: Tensor,
    target: Tensor,
    epsilon: float | tuple[float, ...] = (),
    *,
    terms: int | None = None,
    gamma: float = 0.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """PolyLoss on softmax probabilities; with no epsilon, terms or gamma exactly cross-entropy.

    Args:
        input: logits, ``(C,)``, ``(N, C)`` or ``(N, C, d1, ...)``.
        target: class indices (input's shape without C, int64) or probabilities (input's shape).
        epsilon, terms, gamma: the series, see :class:`polyrepro.losses.series.PolySeries`.
        weight, ignore_index, label_smoothing, reduction: as in torch.
    """
    return series_cross_entropy(
        input,
        target,
        PolySeries(epsilon, terms, gamma),
        weight=weight,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )


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
    if series.is_cross_entropy:
        return functional.cross_entropy(
            input,
            target,
            weight=weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            reduction=reduction,
        )
    logits = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    class_dimension = 0 if logits.dim() == 1 else 1
    if target.is_floating_point():
        target = target.to(logits.dtype)
        if label_smoothing:
            target = (
                target * (1 - label_smoothing) + label_smoothing / logits.shape[class_dimension]
            )
        losses = _soft_losses(logits, target, series, weight, class_dimension)
        return _reduce(losses, None, reduction)
    return _hard(logits, target, series, weight, ignore_index, label_smoothing, reduction)


def _hard(logits, target, series, weight, ignore_index, label_smoothing, reduction):
    class_dimension = 0 if logits.dim() == 1 else 1
    kept = target != ignore_index
    target_weight = None if weight is None else weight.to(logits.dtype)[target.where(kept, 0)]
    if label_smoothing:
        indices = target.where(kept, 0).unsqueeze(class_dimension)
        soft = torch.full_like(logits, label_smoothing / logits.shape[class_dimension])
        soft = soft.scatter_add(
            class_dimension, indices, torch.full_like(soft, 1 - label_smoothing)
        )
        losses = _soft_losses(logits, soft, series, weight, class_dimension)
    else:
        log_pt = -functional.cross_entropy(
            logits, target, ignore_index=ignore_index, reduction="none"
        )
        losses = series.value(log_pt)
        if target_weight is not None:
            losses = losses * target_weight
    losses = losses.where(kept, 0)
    if target_weight is None:
        target_weight = kept.to(losses.dtype)
    else:
        target_weight = target_weight.where(kept, 0)
    return _reduce(losses, target_weight, reduction)


def _soft_losses(logits, target, series, weight, class_dimension):
    log_p = functional.log_softmax(logits, class_dimension)
    base = target * series.base(log_p)
    mean_weight = 1.0
    if weight is not None:
        shape = [-1 if d == class_dimension else 1 for d in range(logits.dim())]
        class_weight = weight.to(logits.dtype).view(shape)
        base = base * class_weight
        mean_weight = (target * class_weight).sum(class_dimension)
    # sum_i (1 - y_i) p_i equals 1 - sum_i y_i p_i without its cancellation.
    q = ((1 - target) * log_p.exp()).sum(class_dimension)
    return series.combine(base.sum(class_dimension), q, mean_weight)


def _reduce(losses: Tensor, weights: Tensor | None, reduction: str) -> Tensor:
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if reduction != "mean":
        raise ValueError(f"reduction must be 'none', 'mean' or 'sum', got {reduction!r}")
    return losses.mean() if weights is None else losses.sum() / weights.sum()


class PolyCrossEntropyLoss(nn.Module):
    """Module form of :func:`poly_cross_entropy`, with the same arguments."""

    def __init__(
        self,
        epsilon: float | tuple[float, ...] = (),
        *,
        terms: int | None = None,
        gamma: float = 0.0,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.series = PolySeries(epsilon, terms, gamma)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return series_cross_entropy(
            input,
            target,
            self.series,
            weight=self.weight,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )
