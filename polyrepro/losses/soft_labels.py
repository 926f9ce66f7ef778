"""Probability targets: the softmax form of any series beyond one class per sample.

The target's probability becomes ``P_t = sum_i y_i p_i`` and the base term its expectation over the
labels y. For a base of ``-log p`` the gradient by the logits is again a short expression::

    dL/dz_i = dL/dbase (p_i sum_k y_k - y_i) + dL/dq p_i (1 - q - y_i)
"""

import inspect

import torch
from torch import Tensor

from polyrepro.losses.batching import merge_mapped_dimension, row_blocks
from polyrepro.losses.expected_base import ExpectedLoss, expected_losses
from polyrepro.losses.series import Series

ELEMENTS_PER_BLOCK = 2**20


def soft_label_losses(
    logits: Tensor, target: Tensor, series: Series, class_weight: Tensor | None = None
) -> Tensor:
    """One loss per sample, shape ``(N, d1, ...)``, for ``logits`` and ``target`` (N, C, d1, ...).

    A class weight multiplies its term of the expectation; the polynomial, which belongs to no one
    class, is multiplied by the expected weight ``sum_i y_i w_i``.
    """
    if torch.compiler.is_compiling() or _any_requires_grad(target, class_weight):
        return expected_losses(logits, target, series, class_weight)
    if class_weight is None and series.has_cross_entropy_base:
        return SoftLabelLoss.apply(logits, target, series)[0]
    return ExpectedLoss.apply(logits, target, series, class_weight)[0]


def _any_requires_grad(*tensors: Tensor | None) -> bool:
    return any(tensor is not None and tensor.requires_grad for tensor in tensors)


class SoftLabelLoss(torch.autograd.Function):
    """Losses for probability targets.

    Base term, q, p and ``sum_i y_i`` are outputs too, so that the backward pass, which reads them,
    can be differentiated itself.
    """

    @staticmethod
    def forward(logits, target, series):
        p = torch.empty_like(logits)
        blocks = [
            _statistics(*block) for block in row_blocks(ELEMENTS_PER_BLOCK, logits, target, p)
        ]
        base, q, mass = (torch.cat(parts) for parts in zip(*blocks, strict=True))
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
            _, slope_base, slope_q = ctx.series.combine_with_derivatives(base, q)
            by_base = _sum(by_base, by_loss * slope_base)
            by_q = _sum(by_q, by_loss * slope_q)
        by_logits = None
        if by_base is not None or by_q is not None:
            by_base, by_q = (torch.zeros_like(q) if by is None else by for by in (by_base, by_q))
            by_logits = _logits_gradient(target, q, p, mass, by_base, by_q)
        if by_p is not None:
            by_logits = _sum(by_logits, p * (by_p - (p * by_p).sum(1, keepdim=True)))
        return by_logits, None, None

    @staticmethod
    def jvp(ctx, logits, *_):
        target, base, q, p, mass = ctx.saved_tensors
        _, slope_base, slope_q = ctx.series.combine_with_derivatives(base, q)
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


def _statistics(logits: Tensor, target: Tensor, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Base term, q and ``sum_i y_i``; writes the probabilities into ``p``."""
    torch.softmax(logits, 1, out=p)
    mass = target.sum(1)
    buffer = logits - logits.amax(1, keepdim=True)
    # The likeliest class never underflows: log p_i = (z_i - max z) + log max p.
    base = -(buffer.mul_(target).sum(1) + mass * p.amax(1).log_())
    # p - p y, summed, is 1 - sum_i y_i p_i without its cancellation.
    q = torch.addcmul(p, p, target, value=-1, out=buffer).sum(1)
    return base, q, mass


def _logits_gradient(
    target: Tensor, q: Tensor, p: Tensor, mass: Tensor, by_base: Tensor, by_q: Tensor
) -> Tensor:
    """The gradient that reaches the logits through the base term and through q."""
    a, b, c = (by.unsqueeze(1) for by in (by_base * mass + by_q * (1 - q), -by_q, -by_base))
    if torch.is_grad_enabled():
        return (p * b + c) * target + p * a
    # The same in place: fetching memory for temporary arrays costs more than the arithmetic.
    result = torch.empty_like(p)
    blocks = row_blocks(ELEMENTS_PER_BLOCK, result, p, target, a, b, c)
    for out, values, labels, a, b, c in blocks:
        torch.mul(values, b, out=out).add_(c).mul_(labels).addcmul_(values, a)
    return result


def _sum(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first + second
