"""Probability targets for any base term and for class weights: only logits and labels are kept.

A base term other than ``-log p`` has to be evaluated for every class, which is many operations on
arrays of the logits' size. So they run in blocks of rows that stay in the cache, and the backward
pass starts again from the logits, with the derivative written out::

    g_i = dL/dlog p_i = -y_i (dL/dbase w_i base'(-log p_i) + dL/dq p_i),   dL/dz_i = g_i - p_i sum g
"""

import inspect

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.batching import merge_mapped_dimension, row_blocks
from polyrepro.losses.series import Series

ELEMENTS_PER_BLOCK = 2**17


def expected_losses(
    logits: Tensor, target: Tensor, series: Series, class_weight: Tensor | None
) -> Tensor:
    """One loss per sample, ``(N, d1, ...)``, in plain differentiable operations on the whole."""
    return series.combine(*_statistics(logits, target, series, class_weight))


def _statistics(logits, target, series, class_weight) -> tuple[Tensor, Tensor, Tensor]:
    """Per sample: the base term's expectation, q, and the expected class weight."""
    base = target * series.base(-functional.log_softmax(logits, 1))
    q = ((1 - target) * functional.softmax(logits, 1)).sum(1)
    if class_weight is None:
        return base.sum(1), q, torch.ones_like(q)
    class_weight = along_classes(class_weight, logits)
    return (base * class_weight).sum(1), q, (target * class_weight).sum(1)


def _slope(logits, target, base, q, weight, series, class_weight) -> Tensor:
    """The derivative of :func:`expected_losses` by the logits, the shape of ``logits``."""
    # combine(base, q, weight) is weight * combine(base / weight, q).
    _, by_base, by_q = series.combine_with_derivatives(base / weight.where(weight != 0, 1), q)
    by_q = (by_q * weight).unsqueeze(1)
    by_base = (torch.ones_like(q) * by_base).unsqueeze(1)
    if class_weight is not None:
        by_base = by_base * along_classes(class_weight, logits)
    by_base = by_base * series.base_weight(-functional.log_softmax(logits, 1))
    p = functional.softmax(logits, 1)
    by_log_p = -target * (by_base + by_q * p)
    return by_log_p - p * by_log_p.sum(1, keepdim=True)


def along_classes(class_weight: Tensor, logits: Tensor) -> Tensor:
    """One weight per class, in a shape that broadcasts with ``logits``."""
    return class_weight.view(-1, *[1] * (logits.dim() - 2))


class ExpectedLoss(torch.autograd.Function):
    """:func:`expected_losses` in blocks; keeps logits and labels, and three numbers per sample."""

    @staticmethod
    def forward(logits, target, series, class_weight):
        blocks = row_blocks(ELEMENTS_PER_BLOCK, logits, target)
        parts = [_statistics(*block, series, class_weight) for block in blocks]
        statistics = tuple(torch.cat(part) for part in zip(*parts, strict=True))
        return series.combine(*statistics).clone(), *statistics

    @staticmethod
    def setup_context(ctx, inputs, output):
        logits, target, ctx.series, ctx.class_weight = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(logits, target, *output[1:])
        ctx.save_for_forward(logits, target)

    @staticmethod
    def backward(ctx, by_loss, *_):
        logits, target, *statistics = ctx.saved_tensors
        if by_loss is None:
            return None, None, None, None
        by_loss, options = by_loss.unsqueeze(1), (ctx.series, ctx.class_weight)
        if torch.is_grad_enabled():
            # The backward pass itself is being differentiated, through the statistics too.
            statistics = _statistics(logits, target, *options)
            return by_loss * _slope(logits, target, *statistics, *options), None, None, None
        result = torch.empty_like(logits)
        blocks = row_blocks(ELEMENTS_PER_BLOCK, result, by_loss, logits, target, *statistics)
        for out, factor, *block in blocks:
            torch.mul(_slope(*block, *options), factor, out=out)
        return result, None, None, None

    @staticmethod
    def jvp(ctx, logits_tangent, *_):
        logits, target = ctx.saved_tensors
        options = (ctx.series, ctx.class_weight)
        slope = _slope(logits, target, *_statistics(logits, target, *options), *options)
        return (slope * logits_tangent).sum(1), None, None, None

    @staticmethod
    def vmap(info, in_dims, logits, target, series, class_weight):
        if in_dims[3] is not None:
            raise NotImplementedError("torch.vmap over class weights is not supported")
        size, merged = merge_mapped_dimension(info, in_dims, logits, target)
        outputs = ExpectedLoss.apply(*merged, series, class_weight)
        return tuple(out.unflatten(0, (size, -1)) for out in outputs), (0,) * len(outputs)


ExpectedLoss.forward.__signature__ = inspect.signature(ExpectedLoss.forward)
