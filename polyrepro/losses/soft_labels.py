"""Probability targets and smoothed class indices: the softmax form beyond one class per sample.

The target's probability becomes ``P_t = sum_i y_i p_i`` and the base term its expectation over the
labels y. For a base of ``-log p`` the gradient by the logits is again a short expression::

    dL/dz_i = dL/dbase (p_i sum_k y_k - y_i) + dL/dq p_i (1 - q - y_i)
"""

import inspect

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.batching import merge_mapped_dimension
from polyrepro.losses.hard_labels import NO_INDEX
from polyrepro.losses.series import Series


def soft_label_losses(
    logits: Tensor, target: Tensor, series: Series, class_weight: Tensor | None = None
) -> Tensor:
    """One loss per sample, shape ``(N, d1, ...)``, for ``logits`` and ``target`` (N, C, d1, ...).

    A class weight multiplies its term of the expectation; the polynomial, which belongs to no one
    class, is multiplied by the expected weight ``sum_i y_i w_i``.
    """
    fast = class_weight is None and series.has_cross_entropy_base and not target.requires_grad
    if fast and not torch.compiler.is_compiling():
        return SoftLabelLoss.apply(logits, target, series)[0]
    log_p = functional.log_softmax(logits, 1)
    base = target * series.base(-log_p)
    expected_weight = None
    if class_weight is not None:
        class_weight = _along_classes(class_weight, logits)
        base = base * class_weight
        expected_weight = (target * class_weight).sum(1)
    q = ((1 - target) * log_p.exp()).sum(1)
    return series.combine(base.sum(1), q, expected_weight)


def smoothed_label_losses(
    logits: Tensor,
    index: Tensor,
    series: Series,
    smoothing: float,
    class_weight: Tensor | None = None,
) -> Tensor:
    """As :func:`soft_label_losses` for the labels ``(1 - s) [i == t] + s / C``.

    Where the base allows it, no array of labels is made: all that is needed is the target's
    log-probability and the mean of the classes'.
    """
    classes = logits.shape[1]
    if not series.has_cross_entropy_base:
        target = torch.full_like(logits, smoothing / classes)
        peak = torch.full_like(logits[:, :1], 1 - smoothing)
        target = target.scatter_add(1, index.unsqueeze(1), peak)
        return soft_label_losses(logits, target, series, class_weight)
    log_p = functional.log_softmax(logits, 1)
    nll = functional.nll_loss(log_p, index, reduction="none", ignore_index=NO_INDEX)
    q = (1 - smoothing) * -torch.expm1(-nll) + smoothing * (classes - 1) / classes
    if class_weight is None:
        return series.combine((1 - smoothing) * nll - smoothing * log_p.mean(1), q)
    target_weight = (1 - smoothing) * class_weight[index]
    spread = (log_p * _along_classes(class_weight, logits)).sum(1)
    base = target_weight * nll - smoothing / classes * spread
    return series.combine(base, q, target_weight + smoothing * class_weight.mean())


def _along_classes(class_weight: Tensor, logits: Tensor) -> Tensor:
    return class_weight.view(-1, *[1] * (logits.dim() - 2))


class SoftLabelLoss(torch.autograd.Function):
    """Losses for probability targets.

    Base term, q, p and ``sum_i y_i`` are outputs too, so that the backward pass, which reads them,
    can be differentiated itself.
    """

    @staticmethod
    def forward(logits, target, series):
        p = logits.softmax(1)
        mass = target.sum(1)
        buffer = logits - logits.amax(1, keepdim=True)
        # The likeliest class never underflows: log p_i = (z_i - max z) + log max p.
        base = -(buffer.mul_(target).sum(1) + mass * p.amax(1).log_())
        # sum_i (1 - y_i) p_i is 1 - sum_i y_i p_i without its cancellation.
        q = torch.sub(1, target, out=buffer).mul_(p).sum(1)
        # A sum with 0, because an output may not be the same tensor as another.
        return series.combine(base, q) + 0, base, q, p, mass

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, target, ctx.series = inputs
        _, base, q, p, mass = output
        ctx.mark_non_differentiable(mass)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(target, base, q, p, mass)
        ctx.save_for_forward(target, base, q, p, mass)

    @staticmethod
    def backward(ctx, by_loss, by_base, by_q, by_p, _):
        target, base, q, p, mass = ctx.saved_tensors
        if by_loss is not None:
            slope_base, slope_q = ctx.series.partial_derivatives(base, q)
            by_base = _sum(by_base, by_loss * slope_base)
            by_q = _sum(by_q, by_loss * slope_q)
        by_logits = None
        if by_base is not None or by_q is not None:
            zero = torch.zeros_like(q)
            by_base, by_q = (zero if by is None else by for by in (by_base, by_q))
            by_logits = _logits_gradient(target, q, p, mass, by_base, by_q)
        if by_p is not None:
            by_logits = _sum(by_logits, p * (by_p - (p * by_p).sum(1, keepdim=True)))
        return by_logits, None, None

    @staticmethod
    def jvp(ctx, logits, *_):
        target, base, q, p, mass = ctx.saved_tensors
        slope_base, slope_q = ctx.series.partial_derivatives(base, q)
        p_tangent = p * (logits - (p * logits).sum(1, keepdim=True))
        base_tangent = mass * (p * logits).sum(1) - (target * logits).sum(1)
        q_tangent = -(target * p_tangent).sum(1)
        loss = slope_base * base_tangent + slope_q * q_tangent
        return loss, base_tangent, q_tangent, p_tangent, None

    @staticmethod
    def vmap(info, in_dims, logits, target, series):
        size, merged = merge_mapped_dimension(info, in_dims, logits, target)
        outputs = SoftLabelLoss.apply(*merged, series)
        return tuple(out.unflatten(0, (size, -1)) for out in outputs), (0,) * len(outputs)


SoftLabelLoss.forward.__signature__ = inspect.signature(SoftLabelLoss.forward)


def _logits_gradient(
    target: Tensor, q: Tensor, p: Tensor, mass: Tensor, by_base: Tensor, by_q: Tensor
) -> Tensor:
    """The gradient that reaches the logits through the base term and through q."""
    by_base, by_q, through_p = (
        value.unsqueeze(1) for value in (by_base, by_q, by_base * mass + by_q * (1 - q))
    )
    if torch.is_grad_enabled():
        return p * through_p - target * (p * by_q + by_base)
    # The same without temporary arrays, which would cost more than the arithmetic.
    return (p * through_p).sub_((p * by_q).add_(by_base).mul_(target))


def _sum(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first + second
