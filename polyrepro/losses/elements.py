"""The sigmoid form of any series, element by element: in blocks, keeping only logits and labels.

Such a loss is many cheap operations, so moving intermediate results through memory is what costs
time, and keeping them is what costs memory. Here they are computed in blocks that stay in the
cache, and computed again in the backward pass.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.reduction import computing_dtype, is_known, joined, row_blocks, with_signature
from polyrepro.losses.rows import Rows
from polyrepro.losses.series import Series


def element_losses(
    logits: Tensor, labels: Tensor, series: Series, alpha: float | None, summed: bool
) -> Tensor:
    """The loss of every element, or the sum of all, in float32 at least.

    Args:
        logits: any shape. labels: the same shape, in [0, 1]; any real dtype.
        alpha: weight of the positives; 1 - alpha that of the negatives; None for none.
    """
    if torch.compiler.is_compiling() or labels.requires_grad:
        dtype = computing_dtype(logits)
        losses = element_value(logits.to(dtype), labels.to(dtype), series, alpha)
        return losses.sum() if summed else losses
    return Elements.apply(logits, labels, series, alpha, summed)


def element_value(logits: Tensor, labels: Tensor, series: Series, alpha: float | None) -> Tensor:
    """The loss of every element in plain torch operations.

    With p = sigmoid(logit), the base term is its expectation over the label y, and
    ``q = y (1 - p) + (1 - y) p``.
    """
    # torch.lerp is exact at 0 and 1, so hard labels lose no accuracy.
    base = torch.lerp(series.base(_softplus(logits)), series.base(_softplus(-logits)), labels)
    q = torch.lerp(torch.sigmoid(logits), torch.sigmoid(-logits), labels)
    losses = series.combine(base, q)
    return losses if alpha is None else losses * _balance(labels, alpha)


def element_derivative(
    logits: Tensor, labels: Tensor, series: Series, alpha: float | None
) -> Tensor:
    """The derivative of :func:`element_value` by the logits."""
    p, complement = torch.sigmoid(logits), torch.sigmoid(-logits)
    nll_one, nll_zero = _softplus(-logits), _softplus(logits)
    base = torch.lerp(series.base(nll_zero), series.base(nll_one), labels)
    _, by_base, by_q = series.combine_with_derivatives(base, torch.lerp(p, complement, labels))
    rise, fall = p * series.base_weight(nll_zero), complement * series.base_weight(nll_one)
    result = by_base * torch.lerp(rise, -fall, labels) + by_q * (p * complement * (1 - 2 * labels))
    return result if alpha is None else result * _balance(labels, alpha)


def hard_value(logits: Tensor, labels: Tensor, series: Series, alpha: float | None) -> Tensor:
    """:func:`element_value` for labels of 0 and 1, in half as many operations."""
    nll, q = _target_statistics(logits, labels)
    losses = series.combine(series.base(nll), q)
    return losses if alpha is None else losses * _balance(labels, alpha)


def hard_derivative(logits: Tensor, labels: Tensor, series: Series, alpha: float | None) -> Tensor:
    """:func:`element_derivative` for labels of 0 and 1."""
    nll, q = _target_statistics(logits, labels)
    _, by_base, by_q = series.combine_with_derivatives(series.base(nll), q)
    # P_t rises with the logit of a 1 and falls with that of a 0.
    sign = torch.rsub(labels, 1, alpha=2) if alpha is None else torch.rsub(labels, 1 - alpha)
    return sign * q * (by_q * (1 - q) + by_base * series.base_weight(nll))


def _target_statistics(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """``-log P_t`` and ``1 - P_t``."""
    margin = torch.rsub(labels, 1, alpha=2) * logits
    return _softplus(margin), torch.sigmoid(margin)


def _are_hard(labels: Tensor) -> bool:
    """Whether all labels are known to be 0 or 1."""
    return labels.device.type == "cpu" and is_known((labels * labels == labels).all())


@with_signature
class Elements(Rows):
    """The losses, or their sum; keeps logits and labels."""

    @staticmethod
    def forward(logits, labels, series, alpha, summed):
        blocks = [
            (hard_value if _are_hard(pair[1]) else element_value)(*pair, series, alpha)
            for pair in _blocks(logits, labels)
        ]
        if summed:
            return torch.stack([block.sum() for block in blocks]).sum()
        return joined(blocks).view(logits.shape)

    @staticmethod
    def setup_context(ctx, inputs, output):
        logits, labels, ctx.series, ctx.alpha, _ = inputs
        ctx.save_for_backward(logits, labels)

    @staticmethod
    def backward(ctx, by_loss):
        logits, labels = ctx.saved_tensors
        gradient = joined([
            _gradient(*block, ctx.series, ctx.alpha).to(logits.dtype)
            for block in _blocks(logits, labels, by_loss)
        ])  # fmt: skip
        return gradient.view(logits.shape), None, None, None, None


def _gradient(logits, labels, by_loss, series, alpha) -> Tensor:
    hard = not torch.is_grad_enabled() and _are_hard(labels)
    return (hard_derivative if hard else element_derivative)(
        logits, labels, series, alpha
    ) * by_loss


def _blocks(logits: Tensor, labels: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Flat pieces of all, logits and labels in the precision to compute in."""
    dtype = computing_dtype(logits)
    flat = (each.reshape(-1) if each.dim() else each for each in (logits, labels, *others))
    for block in row_blocks(*flat):
        yield block[0].to(dtype), block[1].to(dtype), *block[2:]


def _softplus(x: Tensor) -> Tensor:
    """``log(1 + e^x)``; torch's own softplus rounds to x above 20."""
    return -functional.logsigmoid(-x)


def _balance(labels: Tensor, alpha: float) -> Tensor:
    return (1 - alpha) + (2 * alpha - 1) * labels
