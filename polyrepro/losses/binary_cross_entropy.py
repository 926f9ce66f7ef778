"""The sigmoid form of the PolyLoss family, per element: multi-label tasks and detection."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyrepro.losses.series import PolySeries, Series


def poly_binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    epsilon: float | tuple[float, ...] = (),
    *,
    terms: int | None = None,
    gamma: float = 0.0,
    alpha: float | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """PolyLoss on sigmoid probabilities, per element.

    Args:
        input: logits of any shape.
        target: labels in [0, 1], the same shape.
        epsilon, terms, gamma: the series, see :class:`polyrepro.losses.series.PolySeries`.
        alpha: weight of positives (negatives: 1 - alpha), in both terms of the loss.
        weight: rescaling, broadcast to the input; as in torch.
        reduction: none, mean or sum.
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
    logits = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    target = target.to(logits.dtype)
    positive = series.base(functional.logsigmoid(logits))
    negative = series.base(functional.logsigmoid(-logits))
    probability = torch.sigmoid(logits)
    q = target * torch.sigmoid(-logits) + (1 - target) * probability
    losses = series.combine(target * positive + (1 - target) * negative, q)
    if alpha is not None:
        losses = losses * (alpha * target + (1 - alpha) * (1 - target))
    if weight is not None:
        losses = losses * weight
    if reduction == "none":
        return losses
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'none', 'mean' or 'sum', got {reduction!r}")
    return losses.mean() if reduction == "mean" else losses.sum()


class PolyBinaryCrossEntropyLoss(nn.Module):
    """Module form of :func:`poly_binary_cross_entropy`, with the same arguments."""

    def __init__(
        self,
        epsilon: float | tuple[float, ...] = (),
        *,
        terms: int | None = None,
        gamma: float = 0.0,
        alpha: float | None = None,
        weight: Tensor | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.series = PolySeries(epsilon, terms, gamma)
        self.alpha = alpha
        self.register_buffer("weight", weight)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return series_binary_cross_entropy(
            input,
            target,
            self.series,
            alpha=self.alpha,
            weight=self.weight,
            reduction=self.reduction,
        )
