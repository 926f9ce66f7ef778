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
    if torch.compiler.is_compiling() or (class_weight is not None and class_weight.requires_grad):
        log_p = functional.log_softmax(logits, 1)
        nll = functional.nll_loss(log_p, index, reduction="none", ignore_index=NO_INDEX)
        if class_weight is not None:
            log_p = log_p * along_classes(class_weight, logits)
        share, own_weight = _weights(index, class_weight, smoothing)
        base, q = _base_and_q(nll, -log_p.mean(1), share, smoothing, classes)
        return series.combine(base, q, own_weight)
    return SmoothedLabelLoss.apply(logits, index, class_weight, series, smoothing)[0]


def _weights(index: Tensor, class_weight: Tensor | None, smoothing: float) -> tuple:
    """The factor on the target's ``-log P_t``, and the sample's expected weight or None."""
    if class_weight is None:
        return 1 - smoothing, None
    share = (1 - smoothing) * class_weight[index]
    return share, share + smoothing * class_weight.mean()


def _base_and_q(nll, mean_nll, share, smoothing, classes) -> tuple[Tensor, Tensor]:
    """The base term's expectation over the labels, and ``1 - sum_i y_i p_i``."""
    q = torch.expm1(-nll) * (smoothing - 1) + smoothing * (classes - 1) / classes
    return share * nll + smoothing * mean_nll, q


class SmoothedLabelLoss(torch.autograd.Function):
    """The losses; cross-entropy's gradient ``p_i - [i == t]`` is what is kept.

    It and the two statistics are outputs too, so that the backward pass, which reads them, can be
    differentiated itself.
    """

    @staticmethod
    def forward(logits, index, class_weight, series, smoothing):
        top = logits.amax(1, keepdim=True)
        slope, nll, _, top_probability = slope_and_nll(logits, index, top)
        # log p_i = (z_i - max z) + log max p, where large logits cancel exactly.
        mean_nll, mean_weight = logits - top, 1
        if class_weight is not None:
            mean_nll *= along_classes(class_weight, logits)
            mean_weight = class_weight.mean()
        mean_nll = -(mean_nll.mean(1) + mean_weight * top_probability.log_())
        share, own_weight = _weights(index, class_weight, smoothing)
        base, q = _base_and_q(nll, mean_nll, share, smoothing, logits.shape[1])
        return series.combine(base, q, own_weight), nll, mean_nll, slope

    @staticmethod
    def setup_context(ctx, inputs, output):
        logits, index, class_weight, ctx.series, ctx.smoothing = inputs
        ctx.classes = logits.shape[1]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(index, class_weight, *output[1:])
        ctx.save_for_forward(index, class_weight, *output[1:])

    @staticmethod
    def backward(ctx, by_loss, by_nll, by_mean, by_slope):
        index, class_weight, nll, mean_nll, slope = ctx.saved_tensors
        by_logits = None
        if by_loss is not None:
            partial_derivatives = _partial_derivatives(ctx, index, class_weight, nll, mean_nll)
            along_nll, along_mean = (by_loss * value for value in partial_derivatives)
            by_nll = along_nll if by_nll is None else along_nll + by_nll
            by_mean = along_mean if by_mean is None else along_mean + by_mean
        if by_nll is not None or by_mean is not None:
            by_nll, by_mean = (
                torch.zeros_like(nll) if by is None else by for by in (by_nll, by_mean)
            )
            by_logits = _logits_gradient(slope, index, class_weight, by_nll, by_mean)
        if by_slope is not None:
            along = softmax_derivative(slope, index, by_slope)
            by_logits = along if by_logits is None else by_logits + along
        return by_logits, None, None, None, None

    @staticmethod
    def jvp(ctx, logits, *_):
        index, class_weight, nll, mean_nll, slope = ctx.saved_tensors
        along_nll, along_mean = _partial_derivatives(ctx, index, class_weight, nll, mean_nll)
        zero, one = torch.zeros_like(nll), torch.ones_like(nll)
        nll_tangent = (slope * logits).sum(1)
        by_mean = _logits_gradient(slope, index, class_weight, zero, one)
        mean_tangent = (by_mean * logits).sum(1)
        loss = along_nll * nll_tangent + along_mean * mean_tangent
        return loss, nll_tangent, mean_tangent, softmax_derivative(slope, index, logits)

    @staticmethod
    def vmap(info, in_dims, logits, index, class_weight, series, smoothing):
        if in_dims[2] is not None:
            raise NotImplementedError("torch.vmap over class weights is not supported")
        size, merged = merge_mapped_dimension(info, in_dims, logits, index)
        outputs = SmoothedLabelLoss.apply(*merged, class_weight, series, smoothing)
        return tuple(out.unflatten(0, (size, -1)) for out in outputs), (0,) * len(outputs)


SmoothedLabelLoss.forward.__signature__ = inspect.signature(SmoothedLabelLoss.forward)


def _partial_derivatives(ctx, index, class_weight, nll, mean_nll) -> tuple:
    """The derivatives of the loss by the target's ``-log P_t`` and by the mean."""
    classes, smoothing = ctx.classes, ctx.smoothing
    share, weight = _weights(index, class_weight, smoothing)
    base, q = _base_and_q(nll, mean_nll, share, smoothing, classes)
    if weight is None:
        by_base, by_q = ctx.series.partial_derivatives(base, q)
    else:
        # combine(base, q, weight) is weight * combine(base / weight, q).
        by_base, by_q = ctx.series.partial_derivatives(base / weight.where(weight != 0, 1), q)
        by_q = by_q * weight
    by_nll = by_base * share + by_q * ((1 - smoothing) * torch.exp(-nll))
    return by_nll, by_base * smoothing


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
