"""Class-index targets: the fast softmax form of any series.

With one class index per sample the loss is f(P_t), and its gradient is cross-entropy's times the
per-sample weight w(P_t). So softmax is evaluated once, and what is kept for the backward pass is
cross-entropy's own gradient ``p_i - [i == t]``: as much memory as cross-entropy keeps, and no
exponential in the backward pass.
"""

import inspect

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.backend import use_triton_rows
from polyrepro.losses.batching import check_forward_mode
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

# nll_loss is told to ignore an index that cannot occur: so it checks all of them.
NO_INDEX = torch.iinfo(torch.int64).min
NO_GRADIENT = (None,) * 5


def hard_label_loss(
    logits: Tensor,
    target: Tensor,
    series: Series,
    class_weight: Tensor | None,
    ignore_index: int,
    reduction: str,
) -> Tensor:
    """f(P_t) of samples with one class each, weighted and reduced as torch does.

    Args:
        logits: ``(N, C)`` or ``(N, C, d1, ...)``; half precision is computed in float32.
        target: classes, ``(N)`` or ``(N, d1, ...)``.
        series: the loss as a function of P_t.
        class_weight: ``(C,)`` or None.
        ignore_index: the class whose samples have no loss, whatever their logits are.
        reduction: ``none``, ``sum``, or ``mean``, which divides by the sum of the weights.
    """
    dtype = computing_dtype(logits)
    learnt_weight = class_weight is not None and class_weight.requires_grad
    if torch.compiler.is_compiling() or learnt_weight:
        arguments = (series, class_weight, ignore_index, reduction)
        return differentiable_hard_loss(logits.to(dtype), target, *arguments)
    if use_triton_rows(logits):
        # Imported here, because triton is needed on a GPU only.
        from polyrepro.losses.triton_cross_entropy import TritonIndexLoss

        arguments = (class_weight, series, 0.0, ignore_index, reduction)
        return TritonIndexLoss.apply(logits, target, *arguments)[0]
    arguments = (class_weight, series, ignore_index, reduction)
    return HardLabelLoss.apply(logits.to(dtype), target, *arguments)[0]


def differentiable_hard_loss(
    logits: Tensor,
    target: Tensor,
    series: Series,
    class_weight: Tensor | None,
    ignore_index: int,
    reduction: str,
) -> Tensor:
    """The same, reduced, in torch operations that a compiler can fuse.

    The target is taken out of the sum over classes, so nothing cancels when P_t is next to 1.
    """
    index, kept = split_ignored(target, ignore_index, ask=False)
    column = index.unsqueeze(1)
    others = logits.scatter(1, column, -torch.inf).logsumexp(1)
    log_pt = functional.logsigmoid(logits.gather(1, column).squeeze(1) - others)
    weight = sample_weight(index, kept, class_weight, logits.dtype)
    return reduced(weighted(series.value(log_pt), weight), weight, reduction)


class HardLabelLoss(torch.autograd.Function):
    """The loss, reduced.

    -log P_t and cross-entropy's gradient are outputs too, so that the backward pass, which reads
    them, can be differentiated itself. What else an ordinary backward pass needs, w(P_t) and the
    derivative of the reduction, costs least when the losses themselves are computed.
    """

    @staticmethod
    def forward(logits, target, class_weight, series, ignore_index, reduction):
        index, kept = split_ignored(target, ignore_index, ask=class_weight is None)
        slope, nll, q = slope_and_nll(logits, index)
        losses, series_weight = series.value_and_weight(nll, q)
        weight = sample_weight(index, kept, class_weight, losses.dtype)
        loss, by_loss = reduced_with_slope(weighted(losses, weight), weight, weight, reduction)
        # One tensor may not be two outputs.
        return loss.clone() if loss is nll else loss, nll, slope, series_weight, by_loss

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, target, _, ctx.series, ctx.ignore_index, ctx.reduction = inputs
        ctx.mark_non_differentiable(*output[3:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(target, *output[1:])
        ctx.save_for_forward(target, *output[1:])

    @staticmethod
    def backward(ctx, by_loss, by_nll, by_slope, *_):
        target, nll, slope, series_weight, factor = ctx.saved_tensors
        first = by_loss is not None and by_nll is None and by_slope is None
        if first and is_last_derivative(by_loss):
            column = (by_loss * factor * series_weight).unsqueeze(1)
            return torch.mul(slope, column, out=gradient_array(slope)), *NO_GRADIENT
        # A derivative of the backward pass is wanted, or this is one.
        by_logits = None
        if by_loss is not None:
            along = by_loss * factor * ctx.series.gradient_weight(-nll)
            by_nll = along if by_nll is None else along + by_nll
        if by_nll is not None:
            by_logits = slope * by_nll.unsqueeze(1)
        if by_slope is not None:
            index, _ = split_ignored(target, ctx.ignore_index, ask=False)
            along = softmax_derivative(slope, index, by_slope)
            by_logits = along if by_logits is None else by_logits + along
        return by_logits, *NO_GRADIENT

    @staticmethod
    def jvp(ctx, logits, *others):
        check_forward_mode(logits, *others)
        target, nll, slope, *_, factor = ctx.saved_tensors
        index, _ = split_ignored(target, ctx.ignore_index, ask=False)
        by_nll = (slope * logits).sum(1)
        loss = factor * ctx.series.gradient_weight(-nll) * by_nll
        loss = loss if ctx.reduction == "none" else loss.sum()
        return loss, by_nll, softmax_derivative(slope, index, logits), None, None

    @staticmethod
    def vmap(info, in_dims, *arguments):
        return mapped_over_samples(HardLabelLoss, info, in_dims, arguments)


# torch looks the signature up at every call, which costs more than the arithmetic on the samples.
HardLabelLoss.forward.__signature__ = inspect.signature(HardLabelLoss.forward)


def slope_and_nll(logits: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``p_i - [i == t]``, ``-log P_t`` and ``1 - P_t``."""
    column = index.unsqueeze(1)
    slope = logits.softmax(1)
    pt = _of_target(slope, column)
    all_normal = _all_normal(pt)
    top_probability = None if all_normal else slope.amax(1)
    slope.scatter_(1, column, 0)
    # The other classes' sum is 1 - P_t without its cancellation.
    q = slope.sum(1)
    slope.scatter_(1, column, -q.unsqueeze(1))
    # log(1 + (1 - P_t) / P_t) is accurate at both ends, until P_t underflows.
    nll = torch.log1p(q / pt)
    if not all_normal:
        distance = logits.amax(1) - _of_target(logits, column)
        nll = torch.where(pt > 0.5, nll, distance - top_probability.log())
    return slope, nll, q


def _all_normal(pt: Tensor) -> bool:
    """Whether no P_t has underflowed, which saves two passes over the logits.

    Asked on the CPU only: on a GPU the answer would have to be waited for.
    """
    return pt.device.type == "cpu" and (
        pt.numel() == 0 or pt.min().item() > torch.finfo(pt.dtype).tiny
    )


def _of_target(values: Tensor, column: Tensor) -> Tensor:
    """The target's entry; an index out of range is the error that torch's cross-entropy raises."""
    try:
        return values.gather(1, column).squeeze(1)
    except RuntimeError:
        functional.nll_loss(values, column.squeeze(1), ignore_index=NO_INDEX)
        raise


def softmax_derivative(slope: Tensor, index: Tensor, direction: Tensor) -> Tensor:
    """The Jacobian of softmax (it is symmetric) times ``direction``."""
    column = index.unsqueeze(1)
    p = slope.scatter(1, column, slope.gather(1, column) + 1)
    return p * (direction - (p * direction).sum(1, keepdim=True))
