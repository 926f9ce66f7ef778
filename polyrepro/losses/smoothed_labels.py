"""Class indices with label smoothing, without ever making the array of labels.

With labels ``(1 - s) [i == t] + s / C``, all that a series needs from the logits is the target's
``-log P_t`` and the mean of ``-log p_i`` over the classes; class weights enter that mean.
"""

import inspect

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.batching import merge_mapped_dimension
from polyrepro.losses.expected_base import along_classes
from polyrepro.losses.hard_labels import NO_INDEX, slope_and_nll, softmax_derivative
from polyrepro.losses.series import Series
from polyrepro.losses.soft_labels import soft_label_losses


def smoothed_label_losses(
    logits: Tensor,
    index: Tensor,
    series: Series,
    smoothing: float,
    class_weight: Tensor | None = None,
) -> Tensor:
    """One loss per sample, as :func:`soft_label_losses` would give for the smoothed labels.

    Args:
        logits: ``(N, C)`` or ``(N, C, d1, ...)``, float32 or float64.
        index: classes, ``(N)`` or ``(N, d1, ...)``.
        series: the loss as a function of P_t.
        smoothing: s in [0, 1].
        class_weight: ``(C,)`` or None.
    """
    classes = logits.shape[1]
    if not series.has_cross_entropy_base:
        share = smoothing / classes
        target = torch.full_like(logits, share)
        target = target.scatter(1, index.unsqueeze(1), 1 - smoothing + share)
        return soft_label_losses(logits, target, series, class_weight)
    nll, mean_nll = _statistics(logits, index, class_weight)
    q = (1 - smoothing) * -torch.expm1(-nll) + smoothing * (classes - 1) / classes
    if class_weight is None:
        return series.combine((1 - smoothing) * nll + smoothing * mean_nll, q)
    target_weight = (1 - smoothing) * class_weight[index]
    base = target_weight * nll + smoothing * mean_nll
    return series.combine(base, q, target_weight + smoothing * class_weight.mean())


def _statistics(logits: Tensor, index: Tensor, class_weight: Tensor | None) -> tuple:
    """The target's ``-log P_t``, and the (weighted) mean of ``-log p_i`` over the classes."""
    if not torch.compiler.is_compiling():
        return SmoothedStatistics.apply(logits, index, class_weight)[:2]
    log_p = functional.log_softmax(logits, 1)
    nll = functional.nll_loss(log_p, index, reduction="none", ignore_index=NO_INDEX)
    if class_weight is not None:
        log_p = log_p * along_classes(class_weight, logits)
    return nll, -log_p.mean(1)


class SmoothedStatistics(torch.autograd.Function):
    """Both statistics; cross-entropy's gradient ``p_i - [i == t]`` is what is kept."""

    @staticmethod
    def forward(logits, index, class_weight):
        top = logits.amax(1, keepdim=True)
        slope, nll, _, top_probability = slope_and_nll(logits, index, top)
        # log p_i = (z_i - max z) + log max p, where large logits cancel exactly.
        distance = logits - top
        if class_weight is None:
            return nll, -(distance.mean(1) + top_probability.log()), slope
        distance *= along_classes(class_weight, logits)
        return nll, -(distance.mean(1) + class_weight.mean() * top_probability.log()), slope

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[1:], output[2])
        ctx.save_for_forward(*inputs[1:], output[2])

    @staticmethod
    def backward(ctx, by_nll, by_mean, by_slope):
        index, class_weight, slope = ctx.saved_tensors
        by_logits = None
        if by_nll is not None or by_mean is not None:
            zero = torch.zeros_like(slope[:, 0])
            by_nll, by_mean = (zero if by is None else by for by in (by_nll, by_mean))
            by_logits = _logits_gradient(slope, index, class_weight, by_nll, by_mean)
        if by_slope is not None:
            along = softmax_derivative(slope, index, by_slope)
            by_logits = along if by_logits is None else by_logits + along
        return by_logits, None, None

    @staticmethod
    def jvp(ctx, logits, *_):
        index, class_weight, slope = ctx.saved_tensors
        one = torch.ones_like(slope[:, 0])
        by_mean = _logits_gradient(slope, index, class_weight, torch.zeros_like(one), one)
        tangent = softmax_derivative(slope, index, logits)
        return (slope * logits).sum(1), (by_mean * logits).sum(1), tangent

    @staticmethod
    def vmap(info, in_dims, logits, index, class_weight):
        if in_dims[2] is not None:
            raise NotImplementedError("torch.vmap over class weights is not supported")
        size, merged = merge_mapped_dimension(info, in_dims, logits, index)
        outputs = SmoothedStatistics.apply(*merged, class_weight)
        return tuple(out.unflatten(0, (size, -1)) for out in outputs), (0, 0, 0)


SmoothedStatistics.forward.__signature__ = inspect.signature(SmoothedStatistics.forward)


def _logits_gradient(
    slope: Tensor, index: Tensor, class_weight: Tensor | None, by_nll: Tensor, by_mean: Tensor
) -> Tensor:
    """``by_nll (p_i - [i == t]) + by_mean (p_i mean(w) - w_i / C)``."""
    share = (by_mean / slope.shape[1]).unsqueeze(1)
    if class_weight is not None:
        share = share * along_classes(class_weight, slope)
        by_mean = by_mean * class_weight.mean()
    result = slope * (by_nll + by_mean).unsqueeze(1)
    column = index.unsqueeze(1)
    peak = result.gather(1, column) + by_mean.unsqueeze(1)
    if torch.is_grad_enabled():
        return result.scatter(1, column, peak) - share
    return result.scatter_(1, column, peak).sub_(share)
