"""Probability targets: the softmax form of any series beyond one class per sample.

The target's probability becomes ``P_t = sum_i y_i p_i`` and the base term its expectation over the
labels y, each class's term times its class weight c_i if there are any. With the gradient weight
w(p) of the base term alone (1 for ``-log p``) and ``v_i = y_i c_i w(p_i)``, the gradient is::

    dL/dz_i = dL/dbase (p_i sum_k v_k - v_i) + dL/dq p_i (1 - q - y_i)

What is kept for the backward pass is the labels, which exist anyway, and p.
"""

import inspect

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.batching import (
    along_classes,
    merge_mapped_dimension,
    one_by_one,
    row_blocks,
    unmerged,
)
from polyrepro.losses.reduction import reduced
from polyrepro.losses.reuse import gradient_array
from polyrepro.losses.series import Series

# Several passes over a block cost one pass over memory, while a block stays in the cache.
ELEMENTS_PER_BLOCK = 2**19


def soft_label_loss(
    logits: Tensor,
    target: Tensor,
    series: Series,
    class_weight: Tensor | None,
    reduction: str,
) -> Tensor:
    """The loss for ``logits`` and ``target`` of shape (N, C, d1, ...), float32 or float64.

    A class weight multiplies its term of the expectation; the polynomial, which belongs to no one
    class, is multiplied by the expected weight ``sum_i y_i c_i``. ``mean`` is over samples.
    """
    learnt = any(each is not None and each.requires_grad for each in (target, class_weight))
    fast = series.has_cross_entropy_base or series.has_bounded_base
    if torch.compiler.is_compiling() or learnt or not fast:
        losses = _differentiable_losses(logits, target, series, class_weight)
        return reduced(losses, None, reduction)
    return SoftLabelLoss.apply(logits, target, class_weight, series, reduction)[0]


def _differentiable_losses(logits, target, series, class_weight) -> Tensor:
    """In torch operations on whole arrays, which a compiler can fuse."""
    labels = _weighted(target, class_weight)
    base = (labels * series.base(-functional.log_softmax(logits, 1))).sum(1)
    q = ((1 - target) * functional.softmax(logits, 1)).sum(1)
    return series.combine(base, q, None if class_weight is None else labels.sum(1))


class SoftLabelLoss(torch.autograd.Function):
    """The loss, reduced.

    Base term, q and p are outputs too, so that the backward pass, which reads them, can be
    differentiated itself. The last output is what an ordinary backward pass needs beyond p.
    """

    @staticmethod
    def forward(logits, target, class_weight, series, reduction):
        p = torch.empty_like(logits)
        blocks = row_blocks(ELEMENTS_PER_BLOCK, logits, target, p)
        parts = [_statistics(*block, class_weight, series) for block in blocks]
        base, q, mass = (torch.cat(part) for part in zip(*parts, strict=True))
        weight = None if class_weight is None else mass
        losses, by_base, by_q = series.weighted_combine(base, q, weight)
        loss = reduced(losses, None, reduction)
        # One tensor may not be two outputs.
        loss = loss.clone() if loss is base else loss
        by_logits = _coefficients(series, q, mass, by_base, by_q)
        return loss, base, q, p, mass, by_logits.mul_(_share(losses, reduction))

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, target, class_weight, ctx.series, ctx.reduction = inputs
        ctx.mark_non_differentiable(*output[4:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(target, class_weight, *output[1:])
        ctx.save_for_forward(target, class_weight, *output[1:])

    @staticmethod
    def backward(ctx, by_loss, by_base, by_q, by_p, *_):
        target, class_weight, base, q, p, mass, coefficients = ctx.saved_tensors
        first = by_loss is not None and all(by is None for by in (by_base, by_q, by_p))
        if first and not torch.is_grad_enabled():
            by_loss = by_loss.unsqueeze(1) if by_loss.dim() else by_loss
            gradient = _gradient_in_blocks(
                ctx.series, target, class_weight, p, coefficients * by_loss
            )
            return gradient, *[None] * 4
        # A derivative of the backward pass is wanted, or this is one.
        if by_loss is not None:
            weight = None if class_weight is None else mass
            _, along_base, along_q = ctx.series.weighted_combine(base, q, weight)
            by_loss = by_loss * _share(q, ctx.reduction)
            by_base, by_q = _sum(by_base, by_loss * along_base), _sum(by_q, by_loss * along_q)
        by_logits = None
        if by_base is not None or by_q is not None:
            by_base, by_q = (torch.zeros_like(q) if by is None else by for by in (by_base, by_q))
            arguments = (ctx.series, target, class_weight, p)
            by_logits = _gradient(*arguments, _coefficients(ctx.series, q, mass, by_base, by_q))
        if by_p is not None:
            by_logits = _sum(by_logits, p * (by_p - (p * by_p).sum(1, keepdim=True)))
        return by_logits, *[None] * 4

    @staticmethod
    def jvp(ctx, logits, *_):
        target, class_weight, base, q, p, mass, _ = ctx.saved_tensors
        zero, one = torch.zeros_like(q), torch.ones_like(q)
        base_tangent, q_tangent = (
            (_gradient(ctx.series, target, class_weight, p, coefficients) * logits).sum(1)
            for coefficients in (
                _coefficients(ctx.series, q, mass, one, zero),
                _coefficients(ctx.series, q, mass, zero, one),
            )
        )
        p_tangent = p * (logits - (p * logits).sum(1, keepdim=True))
        weight = None if class_weight is None else mass
        _, along_base, along_q = ctx.series.weighted_combine(base, q, weight)
        loss = reduced(along_base * base_tangent + along_q * q_tangent, None, ctx.reduction)
        return loss, base_tangent, q_tangent, p_tangent, None, None

    @staticmethod
    def vmap(info, in_dims, logits, target, class_weight, series, reduction):
        if in_dims[2] is not None:
            arguments = (logits, target, class_weight, series, reduction)
            return one_by_one(SoftLabelLoss, info, in_dims, arguments)
        size, merged = merge_mapped_dimension(info, in_dims, logits, target)
        outputs = unmerged(size, SoftLabelLoss.apply(*merged, class_weight, series, "none"))
        losses, *others, coefficients = outputs
        loss = torch.vmap(lambda each: reduced(each, None, reduction))(losses)
        coefficients = coefficients * _share(losses[0], reduction)
        return (loss, *others, coefficients), (0,) * 6


SoftLabelLoss.forward.__signature__ = inspect.signature(SoftLabelLoss.forward)


def _statistics(logits, target, p, class_weight, series) -> tuple[Tensor, Tensor, Tensor]:
    """Base term, q and ``sum_i y_i c_i``; writes the probabilities into ``p``."""
    torch.softmax(logits, 1, out=p)
    labels = _weighted(target, class_weight)
    mass = labels.sum(1)
    if series.has_bounded_base:
        base = series.bounded_base(1 - p).mul_(labels).sum(1)
    else:
        base = _cross_entropy(logits, labels, p, mass)
    # p - p y, summed, is 1 - sum_i y_i p_i without its cancellation.
    q = torch.addcmul(p, p, target, value=-1).sum(1)
    return base, q, mass


def _cross_entropy(logits, labels, p, mass) -> Tensor:
    """``-sum_i y_i log p_i``."""
    first = p[:, 0]
    log_sum = logits[:, 0] - first.log()
    if is_moderate(log_sum) and first.min() > torch.finfo(p.dtype).tiny:
        return mass * log_sum - (labels * logits).sum(1)
    # The likeliest class never underflows: log p_i = (z_i - max z) + log max p.
    distance = logits - logits.amax(1, keepdim=True)
    return -(distance.mul_(labels).sum(1) + mass * p.amax(1).log())


def is_moderate(log_sum: Tensor) -> bool:
    """Whether ``log sum_i exp z_i`` is so close to 0 that differences to it lose no precision.

    That saves two passes over the logits. It is asked on the CPU only: on a GPU the answer would
    have to be waited for.
    """
    return log_sum.device.type == "cpu" and log_sum.numel() > 0 and log_sum.abs().max() <= 32


def _share(losses: Tensor, reduction: str) -> float:
    """The derivative of the result by a loss."""
    return 1 / max(losses.numel(), 1) if reduction == "mean" else 1.0


def _coefficients(series, q, mass, by_base, by_q) -> Tensor:
    """What the gradient needs to know of each sample, three numbers (N, 3, d1, ...).

    For a bounded base the first one lacks the part that takes another look at all classes.
    """
    of_p = by_q * (1 - q)
    if not series.has_bounded_base:
        of_p = of_p + by_base * mass
    return torch.stack([of_p, -by_q, -by_base], 1)


def _gradient(series, target, class_weight, p, coefficients) -> Tensor:
    """The gradient that reaches the logits through the base term and through q."""
    of_p, of_product, of_labels = coefficients.split(1, 1)
    labels = _weighted(target, class_weight)
    if series.has_bounded_base:
        labels = labels * series.bounded_base_weight(1 - p)
        of_p = of_p - of_labels * labels.sum(1, keepdim=True)
    return p * (target * of_product + of_p) + labels * of_labels


def _gradient_in_blocks(series, target, class_weight, p, coefficients) -> Tensor:
    """The same without temporary arrays, where nothing is to be differentiated."""
    result = gradient_array(p)
    blocks = row_blocks(ELEMENTS_PER_BLOCK, result, target, p, coefficients)
    for out, target, p, coefficients in blocks:
        of_p, of_product, of_labels = coefficients.split(1, 1)
        labels = _weighted(target, class_weight)
        if series.has_bounded_base:
            labels = series.bounded_base_weight(1 - p).mul_(labels)
            of_p = of_p - of_labels * labels.sum(1, keepdim=True)
        factor = (target * of_product).add_(of_p)
        torch.mul(p, factor, out=out).addcmul_(of_labels, labels)
    return result


def _weighted(target: Tensor, class_weight: Tensor | None) -> Tensor:
    return target if class_weight is None else target * along_classes(class_weight, target)


def _sum(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first + second
