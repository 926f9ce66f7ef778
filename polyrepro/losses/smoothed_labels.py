"""Class indices with label smoothing, without ever making the array of labels.

With labels ``(1 - s) [i == t] + s / C``, all that a series needs from the logits is the target's
``-log P_t`` and the mean of ``-log p_i`` over the classes; class weights enter that mean.
"""

import inspect

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.backend import use_triton_rows
from polyrepro.losses.batching import along_classes, check_forward_mode, row_blocks
from polyrepro.losses.hard_labels import NO_INDEX, slope_and_nll, softmax_derivative
from polyrepro.losses.index_targets import (
    mapped_over_samples,
    reduced_with_slope,
    sample_weight,
    split_ignored,
    weighted,
)
from polyrepro.losses.reduction import computing_dtype, reduced
from polyrepro.losses.reuse import gradient_array, is_last_derivative
from polyrepro.losses.series import Series
from polyrepro.losses.soft_labels import is_within, soft_label_loss

ELEMENTS_PER_BLOCK = 2**18
NO_GRADIENT = (None,) * 6


def smoothed_label_loss(
    logits: Tensor,
    target: Tensor,
    smoothing: float,
    series: Series,
    class_weight: Tensor | None,
    ignore_index: int,
    reduction: str,
) -> Tensor:
    """The loss for smoothed class indices, weighted and reduced as torch does.

    Args:
        logits: ``(N, C)`` or ``(N, C, d1, ...)``; half precision is computed in float32.
        target: classes, ``(N)`` or ``(N, d1, ...)``.
        smoothing: s in [0, 1].
        series, class_weight, ignore_index, reduction: as for class indices without smoothing.
    """
    dtype = computing_dtype(logits)
    learnt_weight = class_weight is not None and class_weight.requires_grad
    if torch.compiler.is_compiling() or learnt_weight or not series.has_cross_entropy_base:
        arguments = (smoothing, series, class_weight, ignore_index, reduction)
        return differentiable_smoothed_loss(logits.to(dtype), target, *arguments)
    arguments = (class_weight, series, smoothing, ignore_index, reduction)
    if use_triton_rows(logits):
        # Imported here, because triton is needed on a GPU only.
        from polyrepro.losses.triton_cross_entropy import TritonIndexLoss

        return TritonIndexLoss.apply(logits, target, *arguments)[0]
    return SmoothedLabelLoss.apply(logits.to(dtype), target, *arguments)[0]


def differentiable_smoothed_loss(
    logits: Tensor,
    target: Tensor,
    smoothing: float,
    series: Series,
    class_weight: Tensor | None,
    ignore_index: int,
    reduction: str,
) -> Tensor:
    """The same for any series, in torch operations that a compiler can fuse."""
    index, kept = split_ignored(target, ignore_index, ask=False)
    if series.has_cross_entropy_base:
        log_p = functional.log_softmax(logits, 1)
        nll = functional.nll_loss(log_p, index, reduction="none", ignore_index=NO_INDEX)
        if class_weight is not None:
            log_p = log_p * along_classes(class_weight, logits)
        share, own_weight = _weights(index, class_weight, smoothing)
        base, q = _base_and_q(nll, -log_p.mean(1), share, smoothing, logits.shape[1])
        losses = series.combine(base, q, own_weight)
    else:
        share = smoothing / logits.shape[1]
        labels = torch.full_like(logits, share)
        labels = labels.scatter(1, index.unsqueeze(1), 1 - smoothing + share)
        losses = soft_label_loss(logits, labels, series, class_weight, "none")
    factor, weight = (
        sample_weight(index, kept, each, logits.dtype) for each in (None, class_weight)
    )
    return reduced(weighted(losses, factor), weight, reduction)


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
    """The loss, reduced; cross-entropy's gradient ``p_i - [i == t]`` is what is kept.

    It and the two statistics are outputs too, so that the backward pass, which reads them, can be
    differentiated itself. The three last outputs are what an ordinary backward pass needs.
    """

    @staticmethod
    def forward(logits, target, class_weight, series, smoothing, ignore_index, reduction):
        index, kept = split_ignored(target, ignore_index, ask=class_weight is None)
        slope, nll, _ = slope_and_nll(logits, index)
        mean_nll = _mean_nll(logits, index, class_weight, slope, nll)
        statistics = (index, class_weight, nll, mean_nll)
        losses, *derivatives = losses_and_derivatives(
            series, smoothing, logits.shape[1], *statistics
        )
        factor, weight = (
            sample_weight(index, kept, each, losses.dtype) for each in (None, class_weight)
        )
        loss, by_loss = reduced_with_slope(weighted(losses, factor), factor, weight, reduction)
        return loss, nll, mean_nll, slope, *derivatives, by_loss

    @staticmethod
    def setup_context(ctx, inputs, output):
        logits, target, class_weight, ctx.series, ctx.smoothing, *others = inputs
        ctx.classes, (ctx.ignore_index, ctx.reduction) = logits.shape[1], others
        ctx.mark_non_differentiable(*output[4:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(target, class_weight, *output[1:])
        ctx.save_for_forward(target, class_weight, *output[1:])

    @staticmethod
    def backward(ctx, by_loss, by_nll, by_mean, by_slope, *_):
        target, class_weight, nll, mean_nll, slope, along_nll, along_mean, factor = (
            ctx.saved_tensors
        )
        index, _ = split_ignored(target, ctx.ignore_index, ask=False)
        others = (by_nll, by_mean, by_slope)
        first = by_loss is not None and all(by is None for by in others)
        if first and is_last_derivative(by_loss):
            by_nll, by_mean = by_loss * factor * along_nll, by_loss * factor * along_mean
            gradient = _last_gradient(slope, index, class_weight, by_nll, by_mean)
            return gradient, *NO_GRADIENT
        # A derivative of the backward pass is wanted, or this is one.
        by_logits = None
        if by_loss is not None:
            _, along_nll, along_mean = losses_and_derivatives(
                ctx.series, ctx.smoothing, ctx.classes, index, class_weight, nll, mean_nll
            )
            by_nll = _sum(by_nll, by_loss * factor * along_nll)
            by_mean = _sum(by_mean, by_loss * factor * along_mean)
        if by_nll is not None or by_mean is not None:
            by_nll, by_mean = (
                torch.zeros_like(nll) if by is None else by for by in (by_nll, by_mean)
            )
            by_logits = _logits_gradient(slope, index, class_weight, by_nll, by_mean)
        if by_slope is not None:
            by_logits = _sum(by_logits, softmax_derivative(slope, index, by_slope))
        return by_logits, *NO_GRADIENT

    @staticmethod
    def jvp(ctx, logits, *others):
        check_forward_mode(logits, *others)
        target, class_weight, nll, mean_nll, slope, *_, factor = ctx.saved_tensors
        index, _ = split_ignored(target, ctx.ignore_index, ask=False)
        _, along_nll, along_mean = losses_and_derivatives(
            ctx.series, ctx.smoothing, ctx.classes, index, class_weight, nll, mean_nll
        )
        zero, one = torch.zeros_like(nll), torch.ones_like(nll)
        nll_tangent = (slope * logits).sum(1)
        by_mean = _logits_gradient(slope, index, class_weight, zero, one)
        mean_tangent = (by_mean * logits).sum(1)
        loss = factor * (along_nll * nll_tangent + along_mean * mean_tangent)
        loss = loss if ctx.reduction == "none" else loss.sum()
        tangents = (nll_tangent, mean_tangent, softmax_derivative(slope, index, logits))
        return loss, *tangents, None, None, None

    @staticmethod
    def vmap(info, in_dims, *arguments):
        return mapped_over_samples(SmoothedLabelLoss, info, in_dims, arguments)


SmoothedLabelLoss.forward.__signature__ = inspect.signature(SmoothedLabelLoss.forward)


def _sum(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first + second


def _mean_nll(logits, index, class_weight, slope, nll) -> Tensor:
    """The mean of ``-log p_i`` over the classes, weighted."""
    mean_weight = 1 if class_weight is None else class_weight.mean()
    log_sum = logits.gather(1, index.unsqueeze(1)).squeeze(1) + nll
    if is_within(log_sum, 32):
        return mean_weight * log_sum - _weighted_mean(logits, class_weight)
    # log p_i = (z_i - max z) + log max p, where large logits cancel exactly.
    top_probability = torch.maximum(slope.amax(1), torch.exp(-nll))
    below_top = _weighted_mean(logits - logits.amax(1, keepdim=True), class_weight)
    return -(below_top + mean_weight * top_probability.log())


def _weighted_mean(values: Tensor, class_weight: Tensor | None) -> Tensor:
    """The mean over the classes; in blocks, because memory costs more than the arithmetic."""
    if class_weight is None:
        return values.mean(1)
    blocks = row_blocks(ELEMENTS_PER_BLOCK, values)
    return torch.cat([(block * along_classes(class_weight, block)).mean(1) for (block,) in blocks])


def losses_and_derivatives(series, smoothing, classes, index, class_weight, nll, mean_nll):
    """The losses, and their derivatives by the target's ``-log P_t`` and by the mean."""
    share, weight = _weights(index, class_weight, smoothing)
    base, q = _base_and_q(nll, mean_nll, share, smoothing, classes)
    losses, by_base, by_q = series.weighted_combine(base, q, weight)
    by_nll = by_base * share + by_q * ((1 - smoothing) * torch.exp(-nll))
    return losses, by_nll, torch.ones_like(nll) * by_base * smoothing


def _logits_gradient(
    slope: Tensor, index: Tensor, class_weight: Tensor | None, by_nll: Tensor, by_mean: Tensor
) -> Tensor:
    """``by_nll (p_i - [i == t]) + by_mean (p_i mean(w) - w_i / C)``."""
    share, by_mean = _shares(slope, class_weight, by_mean)
    column = index.unsqueeze(1)
    result = slope * (by_nll + by_mean).unsqueeze(1) - share
    return result.scatter(1, column, result.gather(1, column) + by_mean.unsqueeze(1))


def _last_gradient(
    slope: Tensor, index: Tensor, class_weight: Tensor | None, by_nll: Tensor, by_mean: Tensor
) -> Tensor:
    """The same in place of ``slope``, where nobody will read that or differentiate this."""
    share, by_mean = _shares(slope, class_weight, by_mean)
    column, factor = index.unsqueeze(1), (by_nll + by_mean).unsqueeze(1)
    result = torch.mul(slope, factor, out=gradient_array(slope)).sub_(share)
    return result.scatter_(1, column, result.gather(1, column) + by_mean.unsqueeze(1))


def _shares(slope, class_weight, by_mean) -> tuple[Tensor, Tensor]:
    """``by_mean w_i / C`` and ``by_mean mean(w)``."""
    share = (by_mean / slope.shape[1]).unsqueeze(1)
    if class_weight is None:
        return share, by_mean
    return share * along_classes(class_weight, slope), by_mean * class_weight.mean()
