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

from polyrepro.losses.backend import use_triton
from polyrepro.losses.batching import merge_mapped_dimension
from polyrepro.losses.reduction import computing_dtype, reduced
from polyrepro.losses.series import Series

# nll_loss is told to ignore an index that cannot occur: so it checks all of them.
NO_INDEX = torch.iinfo(torch.int64).min


def hard_label_loss(
    logits: Tensor, index: Tensor, sample_weight: Tensor, series: Series, reduction: str
) -> Tensor:
    """f(P_t) of samples with one class each, weighted and reduced as torch does.

    Args:
        logits: ``(N, C)`` or ``(N, C, d1, ...)``; half precision is computed in float32.
        index: classes, ``(N)`` or ``(N, d1, ...)``.
        sample_weight: shape of ``index``; 0 drops a sample whatever its logits are.
        series: the loss as a function of P_t.
        reduction: ``none``, ``sum``, or ``mean``, which divides by the sum of the weights.
    """
    if torch.compiler.is_compiling():
        log_pt = log_probability_of_target(logits.to(computing_dtype(logits)), index)
    elif logits.dim() == 2 and use_triton(logits):
        # Imported here, because triton is needed on a GPU only.
        from polyrepro.losses.triton_cross_entropy import target_nll

        log_pt = -target_nll(logits, index)
    else:
        logits = logits.to(computing_dtype(logits))
        return HardLabelLoss.apply(logits, index, sample_weight, series, reduction)[0]
    losses = (series.value(log_pt) * sample_weight).masked_fill(sample_weight.logical_not(), 0)
    return reduced(losses, sample_weight, reduction)


def log_probability_of_target(logits: Tensor, index: Tensor) -> Tensor:
    """``log P_t`` in differentiable torch operations that a compiler can fuse.

    The target is taken out of the sum over classes, so nothing cancels when P_t is next to 1.
    """
    column = index.unsqueeze(1)
    others = logits.scatter(1, column, -torch.inf).logsumexp(1)
    return functional.logsigmoid(logits.gather(1, column).squeeze(1) - others)


class HardLabelLoss(torch.autograd.Function):
    """The loss, reduced.

    -log P_t and cross-entropy's gradient are outputs too, so that the backward pass, which reads
    them, can be differentiated itself.
    """

    @staticmethod
    def forward(logits, index, sample_weight, series, reduction):
        slope, nll, q, _ = slope_and_nll(logits, index)
        losses = series.combine(series.base(nll), q) * sample_weight
        losses = losses.masked_fill_(sample_weight.logical_not(), 0)
        return reduced(losses, sample_weight, reduction), nll, slope

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, index, sample_weight, ctx.series, ctx.reduction = inputs
        _, nll, slope = output
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(index, sample_weight, nll, slope)
        ctx.save_for_forward(index, sample_weight, nll, slope)

    @staticmethod
    def backward(ctx, by_loss, by_nll, by_slope):
        index, sample_weight, nll, slope = ctx.saved_tensors
        by_logits = None
        if by_loss is not None:
            scale = _factor(sample_weight, ctx.reduction) * ctx.series.gradient_weight(-nll)
            by_nll = by_loss * scale if by_nll is None else by_loss * scale + by_nll
        if by_nll is not None:
            by_logits = slope * by_nll.unsqueeze(1)
        if by_slope is not None:
            along = softmax_derivative(slope, index, by_slope)
            by_logits = along if by_logits is None else by_logits + along
        return by_logits, None, None, None, None

    @staticmethod
    def jvp(ctx, logits, *_):
        index, sample_weight, nll, slope = ctx.saved_tensors
        by_nll = (slope * logits).sum(1)
        loss = _factor(sample_weight, ctx.reduction) * ctx.series.gradient_weight(-nll) * by_nll
        loss = loss if ctx.reduction == "none" else loss.sum()
        return loss, by_nll, softmax_derivative(slope, index, logits)

    @staticmethod
    def vmap(info, in_dims, logits, index, sample_weight, series, reduction):
        size, merged = merge_mapped_dimension(info, in_dims, logits, index, sample_weight)
        outputs = HardLabelLoss.apply(*merged, series, "none")
        losses, nll, slope = [out.unflatten(0, (size, -1)) for out in outputs]
        weights = merged[2].unflatten(0, (size, -1))
        result = torch.vmap(lambda *pair: reduced(*pair, reduction))(losses, weights)
        return (result, nll, slope), (0, 0, 0)


# torch looks the signature up at every call, which costs more than the arithmetic on the samples.
HardLabelLoss.forward.__signature__ = inspect.signature(HardLabelLoss.forward)


def slope_and_nll(logits: Tensor, index: Tensor, top: Tensor | None = None) -> tuple:
    """``p_i - [i == t]``, ``-log P_t``, ``1 - P_t`` and, if needed or if ``top`` is given, max p.

    ``top`` is the largest logit of each sample, shape ``(N, 1, d1, ...)``.
    """
    column = index.unsqueeze(1)
    slope = logits.softmax(1)
    pt = _of_target(slope, column)
    all_normal = _all_normal(pt)
    top_probability = None if all_normal and top is None else slope.amax(1)
    slope.scatter_(1, column, 0)
    # The other classes' sum is 1 - P_t without its cancellation.
    q = slope.sum(1)
    slope.scatter_(1, column, -q.unsqueeze(1))
    # log(1 + (1 - P_t) / P_t) is accurate at both ends, until P_t underflows.
    nll = torch.log1p(q / pt)
    if not all_normal:
        top = logits.amax(1) if top is None else top.squeeze(1)
        distance = top - _of_target(logits, column)
        nll = torch.where(pt > 0.5, nll, distance - top_probability.log())
    return slope, nll, q, top_probability


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


def _factor(sample_weight: Tensor, reduction: str) -> Tensor:
    """The derivative of the result by a sample's loss; 0, as in torch, for a mean over none."""
    if reduction != "mean":
        return sample_weight
    return (sample_weight / sample_weight.sum()).nan_to_num_()


def softmax_derivative(slope: Tensor, index: Tensor, direction: Tensor) -> Tensor:
    """The Jacobian of softmax (it is symmetric) times ``direction``."""
    column = index.unsqueeze(1)
    p = slope.scatter(1, column, slope.gather(1, column) + 1)
    return p * (direction - (p * direction).sum(1, keepdim=True))
