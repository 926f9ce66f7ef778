"""Class indices on a GPU: one pass over the logits forward, one that writes the gradient.

The first kernel reduces each row of logits to the statistics that a series depends on, and computes
loss and derivatives of a :class:`PolySeries` on the spot; for any other series torch does that, on
one number per sample. The second one writes the gradient. Logits are read twice and the gradient is
written once, in the logits' own precision; nothing of their size is kept but the logits themselves.

Three kernels and a division are launched per training step, because on the sizes of ImageNet-1K
launching costs more than computing. Logits that are not contiguous are copied first. Speed has not
been measured on a GPU yet; the kernels are tested in Triton's interpreter.
"""

import inspect
from functools import partial

import torch
import triton
import triton.language as tl
from torch import Tensor

from polyrepro.losses.batching import check_forward_mode, one_by_one
from polyrepro.losses.hard_labels import differentiable_hard_loss
from polyrepro.losses.index_targets import sample_weight, split_ignored, weighted
from polyrepro.losses.poly_series import PolySeries
from polyrepro.losses.reuse import is_last_derivative
from polyrepro.losses.series import Series
from polyrepro.losses.smoothed_labels import differentiable_smoothed_loss, losses_and_derivatives
from polyrepro.losses.triton_math import (
    FLOOR,
    base_term,
    base_weight,
    blocks_of,
    both_sides,
    load_part,
    on_device_of,
    perturbation,
    row_options,
    row_start,
    series_arguments,
    store_part,
)

NO_GRADIENT = (None,) * 6


@triton.jit(do_not_specialize=["rows", "ignore_index", "terms"])
def _forward_kernel(
    logits, target, class_weight, totals, statistics, epsilon, rows, classes, ignore_index,
    smoothing, terms, gamma,
    weighted: tl.constexpr, smoothed: tl.constexpr, evaluated: tl.constexpr, count: tl.constexpr,
    truncated: tl.constexpr, focal: tl.constexpr, width: tl.constexpr, even: tl.constexpr,
    block: tl.constexpr,
):  # fmt: skip
    """One row: an online softmax over the other classes, with one exponential per class.

    Writes loss and weight of the sample to ``totals`` (2, rows), and what the backward pass needs
    to ``statistics`` (4 or 6, rows); where a series is evaluated by torch, what that needs.
    """
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    begin, first = row_start(row, classes, width)
    logits += begin
    end = first + classes
    index = tl.load(target + row)
    kept = index != ignore_index
    index = tl.where(kept, index, 0)
    in_range = (index >= 0) & (index < classes)
    tl.device_assert(in_range, "target is out of range")
    own = tl.load(logits + first + index, mask=in_range, other=float("nan")).to(tl.float32)
    place = first + index
    top = tl.full([], float("-inf"), tl.float32)
    others = tl.full([], 0.0, tl.float32)
    spread = tl.full([], 0.0, tl.float32)
    mass = tl.full([], 0.0, tl.float32)
    for start in range(0, end, block):
        z = load_part(logits, start, first, end, float("-inf"), width, even, block)
        column = start + tl.arange(0, block)
        if smoothed:
            w = 1.0
            if weighted:
                inside = (column >= first) & (column < end)
                w = tl.load(class_weight + (column - first), mask=inside, other=0.0)
                mass += tl.sum(w, 0)
            # As distances to the target's logit, where large logits cancel exactly.
            apart = (column >= first) & (column < end) & (column != place)
            spread += tl.sum(tl.where(apart, (z - own) * w, 0.0), 0)
        if (place >= start) & (place < start + block):
            z = tl.where(column == place, float("-inf"), z)
        higher = tl.maximum(top, tl.max(z, 0))
        # While all classes so far have a logit of -inf, do not compute inf - inf.
        higher = tl.where(higher == float("-inf"), own, higher)
        others = others * tl.exp(top - higher) + tl.sum(tl.exp(z - higher), 0)
        top = higher
    # P_t = sigmoid(margin): the target is not in the sum, so nothing cancels at P_t next to 1.
    margin = (own - top) - tl.log(others)
    overall = tl.maximum(top, own)
    log_sum = tl.log(tl.exp(own - overall) + others * tl.exp(top - overall))
    own_p, own_q, nll, _ = both_sides(margin)
    tl.store(statistics + row, own_q)
    tl.store(statistics + rows + row, overall)
    tl.store(statistics + 2 * rows + row, log_sum)
    mean_weight = mass / classes if weighted else 1.0
    mean_nll = mean_weight * ((overall - own) + log_sum) - spread / classes
    if evaluated:
        own_weight = 1.0
        if weighted:
            own_weight = tl.load(class_weight + index, mask=in_range, other=0.0)
        counts = tl.where(kept, own_weight, 0.0)
        share = (1.0 - smoothing) * own_weight
        loss = share * base_term(nll, own_q, terms, truncated)
        by_nll = share * base_weight(own_q, terms, truncated)
        by_mean = smoothing
        q = own_q
        if smoothed:
            loss += smoothing * mean_nll
            own_weight = share + smoothing * mean_weight
            q = (1.0 - smoothing) * own_q + smoothing * (classes - 1) / classes
        value, by_q = perturbation(q, epsilon, count)
        loss += own_weight * value
        by_q *= own_weight
        if focal:
            q = tl.maximum(q, FLOOR)
            factor = tl.exp(gamma * tl.log(q))
            by_q = factor * (gamma * loss / q + by_q)
            loss *= factor
            by_nll *= factor
            by_mean *= factor
        by_nll += by_q * (1.0 - smoothing) * own_p
        tl.store(totals + row, tl.where(kept, loss, 0.0))
        tl.store(totals + rows + row, counts)
        tl.store(statistics + 3 * rows + row, by_nll)
        if smoothed:
            tl.store(statistics + 4 * rows + row, by_mean)
            tl.store(statistics + 5 * rows + row, by_mean * mean_weight)
    else:
        tl.store(totals + row, nll)
        tl.store(totals + rows + row, mean_nll)


@triton.jit(do_not_specialize=["rows", "ignore_index"])
def _backward_kernel(
    logits, target, class_weight, statistics, mass, by_loss, by_logits, rows, classes,
    by_loss_stride, ignore_index,
    weighted: tl.constexpr, smoothed: tl.constexpr, averaged: tl.constexpr, width: tl.constexpr,
    even: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A block of a row of ``by_nll (p_i - [i == t]) + by_mean (p_i mean(w) - w_i / C)``."""
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    begin, first = row_start(row, classes, width)
    end, start = first + classes, tl.program_id(1) * block
    index = tl.load(target + row)
    factor = tl.load(by_loss + row * by_loss_stride)
    if averaged:
        total = tl.load(mass)
        factor = tl.where(total == 0, 0.0, factor / total)
    z = load_part(logits + begin, start, first, end, float("-inf"), width, even, block)
    overall, log_sum = tl.load(statistics + rows + row), tl.load(statistics + 2 * rows + row)
    # Two steps, because their sum would round away log_sum for large logits.
    p = tl.exp((z - overall) - log_sum)
    by_nll = tl.load(statistics + 3 * rows + row) * factor
    column = start + tl.arange(0, block)
    slope = tl.where(column == first + index, -tl.load(statistics + row) * by_nll, p * by_nll)
    if smoothed:
        w = 1.0
        if weighted:
            inside = (column >= first) & (column < end)
            w = tl.load(class_weight + (column - first), mask=inside, other=0.0)
        slope -= tl.load(statistics + 4 * rows + row) * factor / classes * w
        slope += tl.load(statistics + 5 * rows + row) * factor * p
    # Ignored samples have no gradient, whatever their logits are.
    slope = tl.where(index != ignore_index, slope, 0.0)
    store_part(by_logits + begin, start, first, end, slope, width, even, block)


class TritonIndexLoss(torch.autograd.Function):
    """The loss of ``(N, C)`` logits and ``(N)`` indices, reduced; keeps logits and six numbers.

    The further outputs are for the backward pass: the statistics of every row, and for ``mean``
    the sum of the weights. Where that pass is differentiated itself, torch computes it anew.
    """

    @staticmethod
    def forward(logits, target, class_weight, series, smoothing, ignore_index, reduction):
        rows, classes = logits.shape
        # Of numpy's numbers, too.
        smoothing, ignore_index = float(smoothing), int(ignore_index)
        new = partial(torch.empty, dtype=torch.float32, device=logits.device)
        totals, statistics = new(2, rows), new(6 if smoothing else 4, rows)
        evaluated = type(series) is PolySeries
        (epsilon, terms, gamma), options = series_arguments(series if evaluated else PolySeries())
        if rows:
            with on_device_of(logits):
                _forward_kernel[(rows,)](
                    logits.contiguous(), target.contiguous(), class_weight, totals, statistics,
                    epsilon, rows, classes, ignore_index, smoothing, terms, gamma,
                    weighted=class_weight is not None, smoothed=smoothing > 0, evaluated=evaluated,
                    **options, **row_options(logits),
                )  # fmt: skip
        if not evaluated:
            _evaluate(series, totals, statistics, classes, target, class_weight, smoothing,
                      ignore_index)  # fmt: skip
        if reduction == "mean":
            total, mass = totals.sum(1)
            return total / mass, statistics, mass
        losses = totals[0]
        loss = losses.sum() if reduction == "sum" else losses.clone()
        # Never read.
        return loss, statistics, losses.new_empty(())

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.series, smoothing, ignore_index, ctx.reduction = inputs
        ctx.smoothing, ctx.ignore_index = float(smoothing), int(ignore_index)
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *output[1:])
        ctx.save_for_forward(*tensors, *output[1:])

    @staticmethod
    def backward(ctx, by_loss, *_):
        logits, target, class_weight, statistics, mass = ctx.saved_tensors
        if by_loss is None:
            return None, *NO_GRADIENT
        if not is_last_derivative(by_loss):
            _, pullback = torch.func.vjp(
                lambda z: _in_torch(ctx, z, target, class_weight, ctx.reduction), logits
            )
            return *pullback(by_loss), *NO_GRADIENT
        rows, classes = logits.shape
        by_logits = torch.empty((rows, classes), dtype=logits.dtype, device=logits.device)
        if rows:
            options = row_options(logits)
            with on_device_of(logits):
                _backward_kernel[(rows, blocks_of(classes, options))](
                    logits.contiguous(), target.contiguous(), class_weight, statistics, mass,
                    by_loss, by_logits, rows, classes, by_loss.stride(0) if by_loss.dim() else 0,
                    ctx.ignore_index, weighted=class_weight is not None, smoothed=ctx.smoothing > 0,
                    averaged=ctx.reduction == "mean", **options,
                )  # fmt: skip
        return by_logits, *NO_GRADIENT

    @staticmethod
    def jvp(ctx, tangent, *others):
        check_forward_mode(tangent, *others)
        logits, target, class_weight, _, mass = ctx.saved_tensors
        slope = torch.func.grad(lambda z: _in_torch(ctx, z, target, class_weight, "sum"))(logits)
        loss = (slope * tangent).sum(1)
        if ctx.reduction != "none":
            loss = loss.sum() / mass if ctx.reduction == "mean" else loss.sum()
        return loss, None, None

    @staticmethod
    def vmap(info, in_dims, *arguments):
        return one_by_one(TritonIndexLoss, info, in_dims, arguments)


TritonIndexLoss.forward.__signature__ = inspect.signature(TritonIndexLoss.forward)


def _evaluate(
    series: Series, totals: Tensor, statistics: Tensor, classes: int, target: Tensor,
    class_weight: Tensor | None, smoothing: float, ignore_index: int,
) -> None:  # fmt: skip
    """What the kernel does for a :class:`PolySeries`, for any series and in torch, in place."""
    index, kept = split_ignored(target, ignore_index, ask=False)
    nll, mean_nll = totals.clone()
    weight = sample_weight(index, kept, class_weight, nll.dtype)
    if smoothing:
        losses, *derivatives = losses_and_derivatives(
            series, smoothing, classes, index, class_weight, nll, mean_nll
        )
        factor = kept
        statistics[3:5] = torch.stack(derivatives)
        statistics[5] = statistics[4] * (1 if class_weight is None else class_weight.mean())
    else:
        losses, statistics[3] = series.value_and_weight(nll, statistics[0])
        factor = weight
        statistics[3] *= weight
    totals[0] = weighted(losses, factor)
    totals[1] = weight


def _in_torch(ctx, logits, target, class_weight, reduction) -> Tensor:
    """The loss in operations that can be differentiated any number of times."""
    arguments = (logits.float(), target)
    options = (ctx.series, class_weight, ctx.ignore_index, reduction)
    if ctx.smoothing:
        return differentiable_smoothed_loss(*arguments, ctx.smoothing, *options)
    return differentiable_hard_loss(*arguments, *options)
