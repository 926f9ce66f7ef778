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

from polyrepro.losses.backend import use_triton_rows
from polyrepro.losses.batching import (
    along_classes,
    check_forward_mode,
    merge_mapped_dimension,
    one_by_one,
    row_blocks,
    unmerged,
)
from polyrepro.losses.reduction import computing_dtype, reduced
from polyrepro.losses.reuse import gradient_array, is_last_derivative
from polyrepro.losses.series import Series

# Several passes over a block cost one pass over memory, while a block stays in the cache.
ELEMENTS_PER_BLOCK = 2**20


def soft_label_loss(
    logits: Tensor,
    target: Tensor,
    series: Series,
    class_weight: Tensor | None,
    reduction: str,
) -> Tensor:
    """The loss for ``logits`` and ``target`` of shape (N, C, d1, ...).

    Half-precision logits are computed in float32; the target has the dtype of the computation.
    A class weight multiplies its term of the expectation; the polynomial, which belongs to no one
    class, is multiplied by the expected weight ``sum_i y_i c_i``. ``mean`` is over samples.
    """
    learnt = any(each is not None and each.requires_grad for each in (target, class_weight))
    fast = series.has_cross_entropy_base or series.has_bounded_base
    dtype = computing_dtype(logits)
    if torch.compiler.is_compiling() or learnt or not fast:
        losses = differentiable_losses(logits.to(dtype), target, series, class_weight)
        return reduced(losses, None, reduction)
    arguments = (target, class_weight, series, reduction)
    if series.has_cross_entropy_base and use_triton_rows(logits):
        # Imported here, because triton is needed on a GPU only.
        from polyrepro.losses.triton_soft_labels import TritonSoftLoss

        return TritonSoftLoss.apply(logits, *arguments)[0]
    return SoftLabelLoss.apply(logits.to(dtype), *arguments)[0]


def differentiable_losses(logits, target, series, class_weight) -> Tensor:
    """One per sample, in torch operations on whole arrays, which a compiler can fuse."""
    labels = _weighted(target, class_weight)
    base = (labels * series.base(-functional.log_softmax(logits, 1))).sum(1)
    q = ((1 - target) * functional.softmax(logits, 1)).sum(1)
    return series.combine(base, q, None if class_weight is None else labels.sum(1))


class SoftLabelLoss(torch.autograd.Function):
    """The loss, reduced.

    Base term, q and p are outputs too, so that the backward pass, which reads them, can be
    differentiated itself. The last output, ``sum_i y_i c_i``, depends on the labels only.
    """

    @staticmethod
    def forward(logits, target, class_weight, series, reduction):
        p = torch.empty_like(logits)
        blocks = row_blocks(ELEMENTS_PER_BLOCK, logits, target, p)
        parts = [_statistics(*block, class_weight, series) for block in blocks]
        base, q, mass = (
            part[0] if len(part) == 1 else torch.cat(part) for part in zip(*parts, strict=True)
        )
        losses = series.combine(base, q, None if class_weight is None else mass)
        loss = reduced(losses, None, reduction)
        # One tensor may not be two outputs.
        return loss.clone() if loss is base else loss, base, q, p, mass

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, target, class_weight, ctx.series, ctx.reduction = inputs
        ctx.mark_non_differentiable(output[-1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(target, class_weight, *output[1:])
        ctx.save_for_forward(target, class_weight, *output[1:])

    @staticmethod
    def backward(ctx, by_loss, by_base, by_q, by_p, *_):
        target, class_weight, base, q, p, mass = ctx.saved_tensors
        if by_loss is not None:
            along_base, along_q = _derivatives(ctx.series, class_weight, base, q, mass)
            by_loss = by_loss * _share(q, ctx.reduction)
            by_base, by_q = _sum(by_base, by_loss * along_base), _sum(by_q, by_loss * along_q)
        by_logits = None
        if by_base is not None or by_q is not None:
            coefficients = _coefficients(ctx.series, q, mass, by_base, by_q)
            last = by_p is None and is_last_derivative(by_loss, by_base, by_q)
            gradient = _gradient_in_blocks if last else _gradient
            by_logits = gradient(ctx.series, target, class_weight, p, *coefficients)
        if by_p is not None:
            by_logits = _sum(by_logits, p * (by_p - (p * by_p).sum(1, keepdim=True)))
        return by_logits, *[None] * 4

    @staticmethod
    def jvp(ctx, logits, *others):
        check_forward_mode(logits, *others)
        target, class_weight, base, q, p, mass = ctx.saved_tensors
        base_tangent, q_tangent = (
            (_gradient(ctx.series, target, class_weight, p, *coefficients) * logits).sum(1)
            for coefficients in (
                _coefficients(ctx.series, q, mass, torch.ones_like(q), None),
                _coefficients(ctx.series, q, mass, None, torch.ones_like(q)),
            )
        )
        p_tangent = p * (logits - (p * logits).sum(1, keepdim=True))
        along_base, along_q = _derivatives(ctx.series, class_weight, base, q, mass)
        loss = reduced(along_base * base_tangent + along_q * q_tangent, None, ctx.reduction)
        return loss, base_tangent, q_tangent, p_tangent, None

    @staticmethod
    def vmap(info, in_dims, logits, target, class_weight, series, reduction):
        if in_dims[2] is not None:
            arguments = (logits, target, class_weight, series, reduction)
            return one_by_one(SoftLabelLoss, info, in_dims, arguments)
        size, merged = merge_mapped_dimension(info, in_dims, logits, target)
        outputs = SoftLabelLoss.apply(*merged, class_weight, series, "none")
        losses, *others = unmerged(size, outputs)
        loss = torch.vmap(lambda each: reduced(each, None, reduction))(losses)
        return (loss, *others), (0,) * 5


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
    log_first = p[:, 0].log()
    log_sum = logits[:, 0] - log_first
    if is_within(log_sum, 32) and is_within(log_first, 80):
        # Neither do differences to log_sum lose precision, nor has the first class underflowed.
        return mass * log_sum - (labels * logits).sum(1)
    # The likeliest class never underflows: log p_i = (z_i - max z) + log max p.
    distance = logits - logits.amax(1, keepdim=True)
    return -(distance.mul_(labels).sum(1) + mass * p.amax(1).log())


def is_within(values: Tensor, bound: float) -> bool:
    """Whether all values, one per sample, are known to be between ``-bound`` and ``bound``.

    Asked on the CPU only: on a GPU the answer would have to be waited for.
    """
    if values.device.type != "cpu" or values.numel() == 0:
        return False
    lowest, highest = torch.aminmax(values)
    return -bound <= lowest.item() and highest.item() <= bound


def _share(losses: Tensor, reduction: str) -> float:
    """The derivative of the result by a loss."""
    return 1 / max(losses.numel(), 1) if reduction == "mean" else 1.0


def _derivatives(series, class_weight, base, q, mass) -> tuple[Tensor | float, Tensor | float]:
    """The derivatives of the loss by its base term and by q."""
    _, *derivatives = series.weighted_combine(base, q, None if class_weight is None else mass)
    return derivatives


def factors_of_gradient(series, q, mass, by_base, by_q) -> tuple[Tensor | float, ...]:
    """The gradient's factors on p, ``p y`` and y: one per sample, or one for all.

    For a bounded base the first one lacks the part that takes another look at all classes.
    """
    of_p = by_q * (1 - q)
    if not series.has_bounded_base:
        of_p = of_p + by_base * mass
    return of_p, -by_q, -by_base


def _coefficients(series, q, mass, by_base, by_q) -> tuple[Tensor, ...]:
    """The same, None being 0, in shapes that broadcast with the logits."""
    by_base, by_q = (q.new_zeros(()) if by is None else by for by in (by_base, by_q))
    factors = factors_of_gradient(series, q, mass, by_base, by_q)
    return tuple(each.unsqueeze(1) if each.dim() else each for each in factors)


def _gradient(series, target, class_weight, p, of_p, of_product, of_labels) -> Tensor:
    """The gradient that reaches the logits through the base term and through q."""
    labels = _weighted(target, class_weight)
    if series.has_bounded_base:
        labels = labels * series.bounded_base_weight(1 - p)
        of_p = of_p - of_labels * labels.sum(1, keepdim=True)
    return p * (target * of_product + of_p) + labels * of_labels


def _gradient_in_blocks(series, target, class_weight, p, *coefficients) -> Tensor:
    """The same without temporary arrays, where nothing is to be differentiated."""
    result = gradient_array(p)
    blocks = row_blocks(ELEMENTS_PER_BLOCK, result, target, p, *coefficients)
    for out, target, p, of_p, of_product, of_labels in blocks:
        labels = _weighted(target, class_weight)
        if series.has_bounded_base:
            labels = series.bounded_base_weight(1 - p).mul_(labels)
            of_p = of_p - of_labels * labels.sum(1, keepdim=True)
        if of_product.dim() == 0 and of_product.device.type == "cpu":
            # A pass over the block less. On a GPU the number would have to be waited for.
            factor = torch.add(of_p, target, alpha=of_product.item())
        else:
            factor = (target * of_product).add_(of_p)
        torch.mul(p, factor, out=out).addcmul_(of_labels, labels)
    return result


def _weighted(target: Tensor, class_weight: Tensor | None) -> Tensor:
    return target if class_weight is None else target * along_classes(class_weight, target)


def _sum(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first + second
