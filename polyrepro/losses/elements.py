"""The sigmoid form of any series, element by element: in blocks, keeping only logits and labels.

Such a loss is many cheap operations, so moving intermediate results through memory is what costs
time, and keeping them is what costs memory. Here they are computed in blocks that stay in the
cache, and computed again in the backward pass.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.reduction import (
    Function,
    computing_dtype,
    is_known,
    joined,
    row_blocks,
    written,
)
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
        losses = element_value(logits.to(dtype), labels.to(dtype), series, alpha, hard=False)
        return losses.sum() if summed else losses
    return Elements.apply(logits, labels, series, alpha, are_hard(labels), summed)


def are_hard(labels: Tensor) -> bool:
    """Whether all labels are 0 or 1, and this is known or can be read at once."""
    if not labels.is_floating_point() or labels.device.type != "cpu":
        return not labels.is_floating_point()
    distances = (block - block.round() for (block,) in row_blocks(labels.reshape(-1)))
    return all(is_known(torch.linalg.vector_norm(distance) == 0) for distance in distances)


def element_statistics(logits: Tensor, labels: Tensor, series: Series, hard: bool) -> tuple:
    """Base term, q, sign, wrong, nll and rest: one value per element.

    All is as seen from the likelier label, which is 0 or 1 (``sign`` is 1 or -1), so that nothing
    cancels for hard labels: ``wrong`` is the probability that the logit gives to the other label,
    ``nll = -log(1 - wrong)``, and ``rest`` the probability that the other label has, at most one
    half; for hard labels it is 0 and left out (None)::

        base = (1 - rest) base(nll) + rest base(-log wrong)
        q = (1 - rest) wrong + rest (1 - wrong)
    """
    likelier = labels if hard else labels.round()
    sign = torch.rsub(likelier, 1, alpha=2)
    margin = sign * logits
    wrong, nll = torch.sigmoid(margin), softplus(margin)
    if hard:
        return series.base(nll), wrong, sign, wrong, nll, None
    rest = sign * (labels - likelier)
    if series.has_cross_entropy_base:
        # -log wrong is nll - margin.
        base = torch.addcmul(nll, rest, margin, value=-1)
    else:
        base = torch.lerp(series.base(nll), series.base(softplus(-margin)), rest)
    return base, torch.lerp(wrong, 1 - wrong, rest), sign, wrong, nll, rest


def element_value(logits, labels, series, alpha, hard) -> Tensor:
    """The loss of every element in plain torch operations."""
    base, q, *_ = element_statistics(logits, labels, series, hard)
    return _balanced(series.combine(base, q), labels, alpha)


def element_derivative(logits, labels, series, alpha, hard) -> Tensor:
    """The derivative of :func:`element_value` by the logits."""
    base, q, sign, wrong, nll, rest = element_statistics(logits, labels, series, hard)
    _, by_base, by_q = series.combine_with_derivatives(base, q)
    if hard:
        # With 1 - q = P_t this is q times the gradient weight w(P_t).
        slope = wrong * (by_q * (1 - wrong) + by_base * series.base_weight(nll))
    else:
        along_base = wrong - rest
        if not series.has_cross_entropy_base:
            other = (wrong - 1) * series.base_weight(softplus(-sign * logits))
            along_base = torch.lerp(wrong * series.base_weight(nll), other, rest)
        along_q = wrong * (1 - wrong) * torch.rsub(rest, 1, alpha=2)
        slope = by_base * along_base + by_q * along_q
    return _balanced(sign * slope, labels, alpha)


class Elements(Function):
    """The losses, or their sum; keeps logits and labels."""

    @staticmethod
    def forward(logits, labels, series, alpha, hard, summed):
        blocks = (element_value(*pair, series, alpha, hard) for pair in _blocks(logits, labels))
        if summed:
            return torch.stack([block.sum() for block in blocks]).sum()
        return joined(blocks).view(logits.shape)

    @staticmethod
    def setup_context(ctx, inputs, output):
        logits, labels, *ctx.options, _ = inputs
        ctx.save_for_backward(logits, labels)

    @staticmethod
    def backward(ctx, by_loss):
        logits, labels = ctx.saved_tensors
        blocks = (
            (element_derivative(*pair, *ctx.options) * by).to(logits.dtype)
            for *pair, by in _blocks(logits, labels, by_loss)
        )
        # Writing in place would make a long chain of what has to be differentiated.
        once = not torch.is_grad_enabled()
        gradient = written(blocks, logits.numel()) if once else joined(blocks)
        return gradient.view(logits.shape), *[None] * 5


def softplus(x: Tensor) -> Tensor:
    """``log(1 + e^x)``. By default torch rounds that to x above 20, which float64 can tell."""
    return functional.softplus(x, threshold=80)


def _blocks(logits: Tensor, labels: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Flat pieces of all, logits and labels in the precision to compute in."""
    dtype = computing_dtype(logits)
    flat = (each.reshape(-1) if each.dim() else each for each in (logits, labels, *others))
    for block in row_blocks(*flat):
        yield block[0].to(dtype), block[1].to(dtype), *block[2:]


def _balanced(values: Tensor, labels: Tensor, alpha: float | None) -> Tensor:
    """Times alpha for a label of 1, times 1 - alpha for a label of 0."""
    if alpha is None:
        return values
    return values * torch.rsub(labels, 1 - alpha, alpha=1 - 2 * alpha)
