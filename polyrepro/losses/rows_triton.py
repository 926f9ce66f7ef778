"""Rows of logits on a GPU: one pass over them forward, one that writes the gradient.

The kernels know no series: like their counterparts in torch they turn a row of ``(N, C)`` logits
into a few numbers, here by an online softmax. Logits are read twice and the gradient is written
once, in the logits' own precision; nothing of their size is kept but the logits (and labels)
themselves. Rows that are not contiguous are copied first.

Speed has not been measured on a GPU yet; the kernels are tested in Triton's interpreter and
compiled for sm_90.
"""

import contextlib
from contextlib import AbstractContextManager

import torch
import triton
import triton.language as tl
from torch import Tensor

LARGEST_BLOCK = 4096
# Contraction of products and sums, which Triton otherwise leaves out; and an index out of range is
# a device assertion, as in torch.
LAUNCH = {"enable_fp_fusion": True, "debug": True, "sanitize_overflow": False}


@triton.jit
def log1p(x):
    """log(1 + x) without losing small x: what 1 + x rounds away cancels in the quotient (Kahan)."""
    rounded = 1.0 + x
    difference = tl.where(rounded == 1.0, 1.0, rounded - 1.0)
    return tl.where(rounded == 1.0, x, tl.log(rounded) * (x / difference))


@triton.jit
def load_part(row, start, classes, other, block: tl.constexpr):
    """``block`` elements of a row from ``start``, with ``other`` beyond its end."""
    column = start + tl.arange(0, block)
    return tl.load(row + column, mask=column < classes, other=other).to(tl.float32)


@triton.jit
def class_weights(class_weight, start, classes, weighted: tl.constexpr, block: tl.constexpr):
    """The weights that belong to a part of a row: 1 if there are none, 0 beyond its end."""
    if weighted:
        return load_part(class_weight, start, classes, 0.0, block)
    return tl.where(start + tl.arange(0, block) < classes, 1.0, 0.0)


@triton.jit(do_not_specialize=["rows"])
def index_forward(
    logits, index, class_weight, statistics, rows, classes,
    weighted: tl.constexpr, averaged: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """One row: an online softmax over the other classes, with one exponential per class.

    Writes ``-log P_t``, ``1 - P_t``, the mean of ``-w_i log p_i`` or nothing, the two parts of the
    softmax's denominator (the highest logit; the logarithm of the rest), and the mean of w.
    """
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    logits += row * classes
    target = tl.load(index + row)
    in_range = (target >= 0) & (target < classes)
    tl.device_assert(in_range, "target is out of range")
    own = tl.load(logits + target, mask=in_range, other=float("nan")).to(tl.float32)
    top = tl.full([], float("-inf"), tl.float32)
    others = tl.full([], 0.0, tl.float32)
    spread = tl.full([], 0.0, tl.float32)
    mass = tl.full([], 0.0, tl.float32)
    for start in range(0, classes, block):
        z = load_part(logits, start, classes, float("-inf"), block)
        column = start + tl.arange(0, block)
        if averaged:
            w = class_weights(class_weight, start, classes, weighted, block)
            mass += tl.sum(w, 0)
            # As distances to the target's logit, where large logits cancel exactly.
            apart = (column < classes) & (column != target)
            spread += tl.sum(tl.where(apart, (z - own) * w, 0.0), 0)
        if (target >= start) & (target < start + block):
            z = tl.where(column == target, float("-inf"), z)
        higher = tl.maximum(top, tl.max(z, 0))
        # While all classes so far have a logit of -inf, do not compute inf - inf.
        higher = tl.where(higher == float("-inf"), own, higher)
        others = others * tl.exp(top - higher) + tl.sum(tl.exp(z - higher), 0)
        top = higher
    # P_t = sigmoid(margin): the target is not in the sum, so nothing cancels at P_t next to 1.
    margin = (own - top) - tl.log(others)
    overall = tl.maximum(top, own)
    log_sum = tl.log(tl.exp(own - overall) + others * tl.exp(top - overall))
    small = tl.exp(-tl.abs(margin))
    tl.store(statistics + row, tl.maximum(-margin, 0.0) + log1p(small))
    if averaged:
        mean_weight = mass / classes
        mean_nll = mean_weight * ((overall - own) + log_sum) - spread / classes
        tl.store(statistics + 2 * rows + row, mean_nll)
        tl.store(statistics + 5 * rows + row, mean_weight)
    tl.store(statistics + rows + row, tl.where(margin >= 0, small, 1.0) / (1.0 + small))
    tl.store(statistics + 3 * rows + row, overall)
    tl.store(statistics + 4 * rows + row, log_sum)


@triton.jit(do_not_specialize=["rows"])
def index_backward(
    logits, index, class_weight, statistics, by_nll, by_mean, by_logits, rows, classes,
    weighted: tl.constexpr, averaged: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A block of a row of ``by_nll (p_i - [i == t]) + by_mean (p_i mean(w) - w_i / C)``."""
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    start = tl.program_id(1) * block
    column = start + tl.arange(0, block)
    z = load_part(logits + row * classes, start, classes, float("-inf"), block)
    top, log_sum = tl.load(statistics + 3 * rows + row), tl.load(statistics + 4 * rows + row)
    # Two steps, because their sum would round away log_sum for large logits.
    p = tl.exp((z - top) - log_sum)
    q, along = tl.load(statistics + rows + row), tl.load(by_nll + row)
    counts = along != 0.0
    gradient = along * tl.where(column == tl.load(index + row), -q, p)
    if averaged:
        along = tl.load(by_mean + row)
        counts |= along != 0.0
        w = class_weights(class_weight, start, classes, weighted, block)
        gradient += along * (p * tl.load(statistics + 5 * rows + row) - w / classes)
    # Samples that do not count have no gradient, whatever their logits are.
    gradient = tl.where(counts, gradient, 0.0)
    tl.store(by_logits + row * classes + column, gradient, mask=column < classes)


@triton.jit(do_not_specialize=["rows"])
def label_forward(
    logits, labels, class_weight, statistics, rows, classes,
    weighted: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """One row: an online softmax, and the sums over the labels that go with it.

    Writes ``-sum_i y_i w_i log p_i``, ``1 - sum_i y_i p_i``, ``sum_i y_i w_i`` and the two parts of
    the softmax's denominator.
    """
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    top = tl.full([], float("-inf"), tl.float32)
    total = tl.full([], 0.0, tl.float32)
    others = tl.full([], 0.0, tl.float32)
    mass = tl.full([], 0.0, tl.float32)
    spread = tl.full([], 0.0, tl.float32)
    for start in range(0, classes, block):
        z = load_part(logits + row * classes, start, classes, float("-inf"), block)
        y = load_part(labels + row * classes, start, classes, 0.0, block)
        higher = tl.maximum(top, tl.max(z, 0))
        # While all logits so far are -inf, do not compute inf - inf.
        shift = tl.where(higher == float("-inf"), 0.0, higher)
        scale = tl.exp(top - shift)
        e = tl.exp(z - shift)
        total = total * scale + tl.sum(e, 0)
        # p (1 - y), summed, is 1 - sum_i y_i p_i without its cancellation.
        others = others * scale + tl.sum(e * (1.0 - y), 0)
        weight = y * class_weights(class_weight, start, classes, weighted, block)
        # As distances to the highest logit so far, where large logits cancel exactly.
        spread += tl.where(mass == 0, 0.0, mass * (top - shift))
        spread += tl.sum(tl.where(weight == 0, 0.0, weight * (z - shift)), 0)
        mass += tl.sum(weight, 0)
        top = higher
    log_sum = tl.log(total)
    tl.store(statistics + row, mass * log_sum - spread)
    tl.store(statistics + rows + row, others / total)
    tl.store(statistics + 2 * rows + row, mass)
    tl.store(statistics + 3 * rows + row, top)
    tl.store(statistics + 4 * rows + row, log_sum)


@triton.jit(do_not_specialize=["rows"])
def label_backward(
    logits, labels, class_weight, statistics, by_base, by_q, by_logits, rows, classes,
    weighted: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A block of a row of ``by_base (p_i sum_k v_k - v_i) + by_q p_i (1 - q - y_i)``."""
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    start = tl.program_id(1) * block
    column = start + tl.arange(0, block)
    z = load_part(logits + row * classes, start, classes, float("-inf"), block)
    y = load_part(labels + row * classes, start, classes, 0.0, block)
    q, mass = tl.load(statistics + rows + row), tl.load(statistics + 2 * rows + row)
    top, log_sum = tl.load(statistics + 3 * rows + row), tl.load(statistics + 4 * rows + row)
    # Two steps, because their sum would round away log_sum for large logits.
    p = tl.exp((z - top) - log_sum)
    v = y * class_weights(class_weight, start, classes, weighted, block)
    along_base, along_q = tl.load(by_base + row), tl.load(by_q + row)
    gradient = along_base * (p * mass - v) + along_q * p * ((1.0 - q) - y)
    tl.store(by_logits + row * classes + column, gradient, mask=column < classes)


def row_options(classes: int) -> dict:
    """How the kernels cut rows of so many classes into blocks."""
    block = min(triton.next_power_of_2(classes), LARGEST_BLOCK)
    return {"block": block, "num_warps": min(max(block // 512, 1), 8), **LAUNCH}


def row_statistics(
    logits: Tensor, target: Tensor, averaged: bool, class_weight: Tensor | None
) -> Tensor:
    """What the kernels write per row, (6, N) float32, for logits (N, C).

    ``target`` holds class indices (N), with which the mean is wanted if ``averaged``, or labels
    (N, C).
    """
    rows, classes = logits.shape
    statistics = torch.empty((6, rows), dtype=torch.float32, device=logits.device)
    if rows:
        kernel, options = _kernel(index_forward, label_forward, target, averaged, class_weight)
        arguments = (logits.contiguous(), target.contiguous(), _contiguous(class_weight))
        with _on_device_of(logits):
            kernel[(rows,)](
                *arguments, statistics, rows, classes, **options, **row_options(classes)
            )
    return statistics


def row_gradient(
    logits: Tensor, target: Tensor, class_weight: Tensor | None, statistics: Tensor,
    by_base: Tensor, by_other: Tensor | None,
) -> Tensor:  # fmt: skip
    """The gradient by the logits (N, C), in their dtype.

    ``by_base`` (N) is the derivative by the base term, or by all that depends on ``-log P_t``;
    ``by_other`` (N) is that by q for labels; by the mean, or None, for class indices.
    """
    rows, classes = logits.shape
    by_logits = torch.empty((rows, classes), dtype=logits.dtype, device=logits.device)
    if rows:
        averaged = by_other is not None
        kernel, options = _kernel(index_backward, label_backward, target, averaged, class_weight)
        options = {**options, **row_options(classes)}
        arguments = (logits.contiguous(), target.contiguous(), _contiguous(class_weight))
        along = (statistics, by_base.contiguous(), _contiguous(by_other))
        blocks = triton.cdiv(classes, options["block"])
        with _on_device_of(logits):
            kernel[(rows, blocks)](*arguments, *along, by_logits, rows, classes, **options)
    return by_logits


def _kernel(
    for_indices, for_labels, target: Tensor, averaged: bool, class_weight: Tensor | None
) -> tuple:
    """The kernel for this kind of target, and the constants that it is compiled for."""
    options = {"weighted": class_weight is not None}
    if target.is_floating_point():
        return for_labels, options
    return for_indices, {**options, "averaged": averaged}


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _on_device_of(tensor: Tensor) -> AbstractContextManager:
    """Where a kernel is to be launched: Triton takes the current device, not that of its arrays."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else contextlib.nullcontext()
