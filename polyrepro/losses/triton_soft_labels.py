"""Probabilities on a GPU: one pass over logits and labels forward, one that writes the gradient.

As ``triton_cross_entropy.py`` for class indices. A series with a base term of its own has no kernel
here: its expectation over the labels needs the normalised probabilities, so a pass more.
"""

import inspect
from functools import partial

import torch
import triton
import triton.language as tl
from torch import Tensor

from polyrepro.losses.batching import check_forward_mode, one_by_one
from polyrepro.losses.poly_series import PolySeries
from polyrepro.losses.reduction import reduced
from polyrepro.losses.reuse import is_last_derivative
from polyrepro.losses.soft_labels import differentiable_losses, factors_of_gradient
from polyrepro.losses.triton_math import (
    FLOOR,
    blocks_of,
    load_part,
    on_device_of,
    perturbation,
    row_options,
    row_start,
    series_arguments,
    store_part,
)

NO_GRADIENT = (None,) * 4


@triton.jit(do_not_specialize=["rows"])
def _forward_kernel(
    logits, target, class_weight, losses, statistics, epsilon, rows, classes, gamma,
    weighted: tl.constexpr, evaluated: tl.constexpr, count: tl.constexpr, focal: tl.constexpr,
    width: tl.constexpr, even: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """One row: an online softmax, and the sums over the labels that go with it.

    Writes the loss, and to ``statistics`` (5, rows) what the backward pass needs: the two parts of
    the softmax's denominator and the gradient's factors on p, ``p y`` and y. Where a series is
    evaluated by torch, ``losses`` gets the base term, and the factors' places q and the labels'
    sum.
    """
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    begin, first = row_start(row, classes, width)
    end = first + classes
    top = tl.full([], float("-inf"), tl.float32)
    total = tl.full([], 0.0, tl.float32)
    others = tl.full([], 0.0, tl.float32)
    mass = tl.full([], 0.0, tl.float32)
    spread = tl.full([], 0.0, tl.float32)
    for start in range(0, end, block):
        z = load_part(logits + begin, start, first, end, float("-inf"), width, even, block)
        y = load_part(target + begin, start, first, end, 0.0, width, even, block)
        higher = tl.maximum(top, tl.max(z, 0))
        # While all logits so far are -inf, do not compute inf - inf.
        shift = tl.where(higher == float("-inf"), 0.0, higher)
        scale = tl.exp(top - shift)
        e = tl.exp(z - shift)
        total = total * scale + tl.sum(e, 0)
        # p (1 - y), summed, is 1 - sum_i y_i p_i without its cancellation.
        others = others * scale + tl.sum(e * (1.0 - y), 0)
        labels = y
        if weighted:
            column = start + tl.arange(0, block)
            inside = (column >= first) & (column < end)
            labels = y * tl.load(class_weight + (column - first), mask=inside, other=0.0)
        # As distances to the highest logit so far, where large logits cancel exactly.
        spread += tl.where(mass == 0, 0.0, mass * (top - shift))
        spread += tl.sum(tl.where(labels == 0, 0.0, labels * (z - shift)), 0)
        mass += tl.sum(labels, 0)
        top = higher
    log_sum = tl.log(total)
    base = mass * log_sum - spread
    q = others / total
    tl.store(statistics + row, top)
    tl.store(statistics + rows + row, log_sum)
    if evaluated:
        own_weight = mass if weighted else 1.0
        value, by_q = perturbation(q, epsilon, count)
        loss = base + own_weight * value
        by_q *= own_weight
        by_base = 1.0
        if focal:
            floored = tl.maximum(q, FLOOR)
            factor = tl.exp(gamma * tl.log(floored))
            by_q = factor * (gamma * loss / floored + by_q)
            loss *= factor
            by_base = factor
        tl.store(losses + row, loss)
        tl.store(statistics + 2 * rows + row, by_q * (1.0 - q) + by_base * mass)
        tl.store(statistics + 3 * rows + row, -by_q)
        tl.store(statistics + 4 * rows + row, -by_base)
    else:
        tl.store(losses + row, base)
        tl.store(statistics + 2 * rows + row, q)
        tl.store(statistics + 3 * rows + row, mass)


@triton.jit(do_not_specialize=["rows"])
def _backward_kernel(
    logits, target, class_weight, statistics, by_loss, by_logits, rows, classes, by_loss_stride,
    share, weighted: tl.constexpr, width: tl.constexpr, even: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A block of a row of ``p (of_p + y of_product) + y w of_labels``."""
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    begin, first = row_start(row, classes, width)
    end, start = first + classes, tl.program_id(1) * block
    z = load_part(logits + begin, start, first, end, float("-inf"), width, even, block)
    y = load_part(target + begin, start, first, end, 0.0, width, even, block)
    # Two steps, because their sum would round away log_sum for large logits.
    p = tl.exp((z - tl.load(statistics + row)) - tl.load(statistics + rows + row))
    factor = tl.load(by_loss + row * by_loss_stride) * share
    of_p = tl.load(statistics + 2 * rows + row) * factor
    of_product = tl.load(statistics + 3 * rows + row) * factor
    of_labels = tl.load(statistics + 4 * rows + row) * factor
    labels = y
    if weighted:
        column = start + tl.arange(0, block)
        inside = (column >= first) & (column < end)
        labels = y * tl.load(class_weight + (column - first), mask=inside, other=0.0)
    gradient = p * (of_p + y * of_product) + labels * of_labels
    store_part(by_logits + begin, start, first, end, gradient, width, even, block)


class TritonSoftLoss(torch.autograd.Function):
    """The loss of ``(N, C)`` logits and probabilities, reduced; keeps both and five numbers a row.

    The second output, these numbers, is for the backward pass. Where that is differentiated itself,
    torch computes it anew.
    """

    @staticmethod
    def forward(logits, target, class_weight, series, reduction):
        rows, classes = logits.shape
        new = partial(torch.empty, dtype=torch.float32, device=logits.device)
        losses, statistics = new(rows), new(5, rows)
        evaluated = type(series) is PolySeries
        (epsilon, _, gamma), options = series_arguments(series if evaluated else PolySeries())
        if rows:
            with on_device_of(logits):
                _forward_kernel[(rows,)](
                    logits.contiguous(), target.contiguous(), class_weight, losses, statistics,
                    epsilon, rows, classes, gamma, weighted=class_weight is not None,
                    evaluated=evaluated, count=options["count"], focal=options["focal"],
                    **row_options(logits),
                )  # fmt: skip
        if not evaluated:
            base, (q, mass) = losses, statistics[2:4].clone()
            weight = None if class_weight is None else mass
            losses, *derivatives = series.weighted_combine(base, q, weight)
            factors = factors_of_gradient(series, q, mass, *derivatives)
            for row, factor in enumerate(factors, start=2):
                statistics[row] = factor
        return reduced(losses, None, reduction), statistics

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.series, ctx.reduction = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, output[1])
        ctx.save_for_forward(*tensors, output[1])

    @staticmethod
    def backward(ctx, by_loss, *_):
        logits, target, class_weight, statistics = ctx.saved_tensors
        if by_loss is None:
            return None, *NO_GRADIENT
        if not is_last_derivative(by_loss):
            _, pullback = torch.func.vjp(
                lambda z: reduced(_in_torch(ctx, z, target, class_weight), None, ctx.reduction),
                logits,
            )
            return *pullback(by_loss), *NO_GRADIENT
        rows, classes = logits.shape
        by_logits = torch.empty((rows, classes), dtype=logits.dtype, device=logits.device)
        if rows:
            options = row_options(logits)
            with on_device_of(logits):
                _backward_kernel[(rows, blocks_of(classes, options))](
                    logits.contiguous(), target.contiguous(), class_weight, statistics, by_loss,
                    by_logits, rows, classes, by_loss.stride(0) if by_loss.dim() else 0,
                    1 / rows if ctx.reduction == "mean" else 1.0, weighted=class_weight is not None,
                    **options,
                )  # fmt: skip
        return by_logits, *NO_GRADIENT

    @staticmethod
    def jvp(ctx, tangent, *others):
        check_forward_mode(tangent, *others)
        logits, target, class_weight, _ = ctx.saved_tensors
        slope = torch.func.grad(lambda z: _in_torch(ctx, z, target, class_weight).sum())(logits)
        return reduced((slope * tangent).sum(1), None, ctx.reduction), None

    @staticmethod
    def vmap(info, in_dims, *arguments):
        return one_by_one(TritonSoftLoss, info, in_dims, arguments)


TritonSoftLoss.forward.__signature__ = inspect.signature(TritonSoftLoss.forward)


def _in_torch(ctx, logits: Tensor, target: Tensor, class_weight: Tensor | None) -> Tensor:
    return differentiable_losses(logits.float(), target, ctx.series, class_weight)
