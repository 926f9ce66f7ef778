"""Elementwise losses on large arrays: in blocks that stay in the cache, keeping only the inputs.

Such a loss is many cheap operations, so moving intermediate results through memory is what costs
time, and keeping them is what costs memory. Here only logits and labels are kept, and the backward
pass computes the slope from them.
"""

import inspect
from collections.abc import Iterator

import torch
from torch import Tensor

from polyrepro.losses.backend import use_triton
from polyrepro.losses.batching import check_forward_mode
from polyrepro.losses.elementwise import (
    elementwise_slope,
    elementwise_value,
    hard_slope,
    hard_value,
)
from polyrepro.losses.poly_series import PolySeries
from polyrepro.losses.reduction import computing_dtype, reduced
from polyrepro.losses.reuse import is_last_derivative
from polyrepro.losses.series import Series

# A block should stay in the cache, but each operation on one waits for all threads: where other
# processes take their cores away, many small blocks can take ten times as long.
ELEMENTS_PER_THREAD = 2**19


def blocked_loss(
    logits: Tensor, target: Tensor, series: Series, alpha: float | None, reduction: str
) -> Tensor:
    """The sigmoid form of a series for logits and labels of one shape, in float32 at least.

    ``none`` returns the shape of ``logits``, ``mean`` divides by the number of elements.
    """
    if torch.compiler.is_compiling() or target.requires_grad:
        dtype = computing_dtype(logits)
        losses = elementwise_value(logits.to(dtype), target.to(dtype), series, alpha)
        return reduced(losses, None, reduction)
    if type(series) is PolySeries and use_triton(logits):
        # Imported here, because triton is needed on a GPU only.
        from polyrepro.losses.triton_binary import TritonBinaryLoss

        return TritonBinaryLoss.apply(logits, target, series, alpha, reduction)
    return BlockedLoss.apply(logits, target, series, alpha, reduction)


class BlockedLoss(torch.autograd.Function):
    """The loss, reduced; keeps logits and labels."""

    @staticmethod
    def forward(logits, target, series, alpha, reduction):
        if reduction != "none":
            sums = [_value(*pair, series, alpha).sum() for pair in _blocks(logits, target)]
            total = torch.stack(sums).sum()
            return total / logits.numel() if reduction == "mean" else total
        losses = torch.empty(logits.numel(), dtype=computing_dtype(logits), device=logits.device)
        start = 0
        for pair in _blocks(logits, target):
            block = _value(*pair, series, alpha)
            losses[start : start + block.numel()] = block
            start += block.numel()
        return losses.view(logits.shape)

    @staticmethod
    def setup_context(ctx, inputs, output):
        logits, target, ctx.series, ctx.alpha, ctx.reduction = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(logits, target)
        ctx.save_for_forward(logits, target)

    @staticmethod
    def backward(ctx, by_loss):
        if by_loss is None:
            return (None,) * 5
        logits, target = ctx.saved_tensors
        if ctx.reduction == "mean":
            by_loss = by_loss / logits.numel()
        if not is_last_derivative(by_loss):
            slope = _whole_slope(ctx, logits, target)
            return (slope * by_loss).to(logits.dtype), None, None, None, None
        by_logits = torch.empty(logits.numel(), dtype=logits.dtype, device=logits.device)
        start, factors = 0, by_loss.reshape(-1)
        for pair in _blocks(logits, target):
            stop = start + pair[0].numel()
            slope = _slope(*pair, ctx.series, ctx.alpha)
            slope *= factors if by_loss.dim() == 0 else factors[start:stop]
            by_logits[start:stop] = slope
            start = stop
        return by_logits.view(logits.shape), None, None, None, None

    @staticmethod
    def jvp(ctx, logits_tangent, *others):
        check_forward_mode(logits_tangent, *others)
        logits, target = ctx.saved_tensors
        losses = _whole_slope(ctx, logits, target) * logits_tangent
        return reduced(losses, None, ctx.reduction)

    @staticmethod
    def vmap(info, in_dims, logits, target, series, alpha, reduction):
        logits, target = (
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip((logits, target), in_dims, strict=False)
        )
        losses = BlockedLoss.apply(logits, target, series, alpha, "none")
        return torch.vmap(lambda one: reduced(one, None, reduction))(losses), 0


BlockedLoss.forward.__signature__ = inspect.signature(BlockedLoss.forward)


def _value(logits: Tensor, target: Tensor, series: Series, alpha: float | None) -> Tensor:
    value = hard_value if _are_hard(target) else elementwise_value
    return value(logits, target, series, alpha)


def _slope(logits: Tensor, target: Tensor, series: Series, alpha: float | None) -> Tensor:
    slope = hard_slope if _are_hard(target) else elementwise_slope
    return slope(logits, target, series, alpha)


def _are_hard(labels: Tensor) -> bool:
    """Whether all labels are known to be 0 or 1.

    Asked on the CPU only: on a GPU the answer would have to be waited for.
    """
    return labels.device.type == "cpu" and torch.equal(labels * labels, labels)


def _whole_slope(ctx, logits: Tensor, target: Tensor) -> Tensor:
    dtype = computing_dtype(logits)
    return elementwise_slope(logits.to(dtype), target.to(dtype), ctx.series, ctx.alpha)


def _blocks(logits: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Flat pieces of both, in the dtype to compute in; one piece where launches cost more."""
    size = max(logits.numel(), 1)
    if logits.device.type == "cpu":
        size = ELEMENTS_PER_THREAD * torch.get_num_threads()
    dtype = computing_dtype(logits)
    pieces = zip(logits.reshape(-1).split(size), target.reshape(-1).split(size), strict=True)
    for logits_piece, target_piece in pieces:
        yield logits_piece.to(dtype), target_piece.to(dtype)
