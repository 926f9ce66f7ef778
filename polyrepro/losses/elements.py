"""The sigmoid form of any series, element by element: in blocks, keeping only logits and labels.

Such a loss is many cheap operations, so moving intermediate results through memory is what costs
time, and keeping them is what costs memory. Here they are computed in blocks that stay in the
cache, and computed again in the backward pass.
"""

import inspect
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.reduction import computing_dtype, joined, row_blocks
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


class Elements(Rows):
    """The losses, or their sum; keeps logits and labels."""

    @staticmethod
    def forward(logits, labels, series, alpha, summed):
        blocks = [element_value(*pair, series, alpha) for pair in _blocks(logits, labels)]
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
            (element_derivative(*pair, ctx.series, ctx.alpha) * by).to(logits.dtype)
            for *pair, by in _blocks(logits, labels, by_loss)
        ])  # fmt: skip
        return gradient.view(logits.shape), None, None, None, None


Elements.forward.__signature__ = inspect.signature(Elements.forward)


def _blocks(logits: Tensor, labels: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Flat pieces of all, logits and labels in the precision to compute in."""
    dtype = computing_dtype(logits)
    flat = (each.reshape(-1) if each.dim() else each for each in (logits, labels, *others))
    for logits, labels, *others in row_blocks(*flat):
        yield logits.to(dtype), labels.to(dtype), *others


def _softplus(x: Tensor) -> Tensor:
    """``log(1 + e^x)``; torch's own softplus rounds to x above 20."""
    return -functional.logsigmoid(-x)


def _balance(labels: Tensor, alpha: float) -> Tensor:
    return (1 - alpha) + (2 * alpha - 1) * labels
