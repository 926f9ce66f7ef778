"""Rows of logits on a GPU: one pass over them forward, one that writes the gradient.

The kernels know no series: like their counterparts in torch they turn a row of ``(N, C)`` logits
into a few numbers, here by an online softmax. Logits are read twice and the gradient is written
once, in the logits' own precision; nothing of their size is kept but the logits (and labels)
themselves. Rows that are not contiguous are copied first.

Speed has not been measured on a GPU yet; the kernels are tested in Triton's interpreter and
compiled for sm_90.
"""

import contextlib

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
def expected_weights(
    y, class_weight, start, classes,
    soft: tl.constexpr, weighted: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """``y_i w_i``, or for indices ``w_i / C``, of a part of a row; 0 beyond its end."""
    if weighted:
        w = load_part(class_weight, start, classes, 0.0, block)
    else:
        w = tl.where(start + tl.arange(0, block) < classes, 1.0, 0.0)
    return y * w if soft else w / classes


@triton.jit(do_not_specialize=["rows"])
def row_forward(
    logits, target, class_weight, statistics, rows, classes,
    soft: tl.constexpr, expected: tl.constexpr, weighted: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """One row: an online softmax, with one exponential per class.

    With labels y, v_i is ``y_i w_i``; with an index, which is a label of 1, it is ``w_i / C``.
    Writes ``-log P_t``, or for labels ``-sum_i v_i log p_i``; ``1 - sum_i y_i p_i``;
    ``-sum_i v_i log p_i`` or nothing, or for labels ``sum_i v_i``; the two parts of the softmax's
    denominator (the highest logit; the logarithm of the rest); and ``sum_i v_i`` or nothing.
    """
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    logits += row * classes
    if not soft:
        index = tl.load(target + row)
        in_range = (index >= 0) & (index < classes)
        tl.device_assert(in_range, "target is out of range")
        own = tl.load(logits + index, mask=in_range, other=float("nan")).to(tl.float32)
    top = tl.full([], float("-inf"), tl.float32)
    total = tl.full([], 0.0, tl.float32)
    others = tl.full([], 0.0, tl.float32)
    mass = tl.full([], 0.0, tl.float32)
    spread = tl.full([], 0.0, tl.float32)
    for start in range(0, classes, block):
        z = load_part(logits, start, classes, float("-inf"), block)
        if soft:
            y = load_part(target + row * classes, start, classes, 0.0, block)
        else:
            y = tl.where(start + tl.arange(0, block) == index, 1.0, 0.0)
        higher = tl.maximum(top, tl.max(z, 0))
        # While all logits so far are -inf, do not compute inf - inf.
        shift = tl.where(higher == float("-inf"), 0.0, higher)
        scale = tl.exp(top - shift)
        e = tl.exp(z - shift)
        total = total * scale + tl.sum(e, 0)
        # p (1 - y), summed, is 1 - sum_i y_i p_i without its cancellation.
        others = others * scale + tl.sum(e * (1.0 - y), 0)
        if expected:
            v = expected_weights(y, class_weight, start, classes, soft, weighted, block)
            # As distances to the highest logit so far, where large logits cancel exactly.
            spread += tl.where(mass == 0, 0.0, mass * (top - shift))
            spread += tl.sum(tl.where(v == 0, 0.0, v * (z - shift)), 0)
            mass += tl.sum(v, 0)
        top = higher
    log_sum = tl.log(total)
    tl.store(statistics + rows + row, others / total)
    tl.store(statistics + 3 * rows + row, top)
    tl.store(statistics + 4 * rows + row, log_sum)
    if expected:
        tl.store(statistics + (0 if soft else 2) * rows + row, mass * log_sum - spread)
        tl.store(statistics + 5 * rows + row, mass)
    if soft:
        tl.store(statistics + 2 * rows + row, mass)
    else:
        # The first form is accurate at P_t next to 1, the second one where P_t underflows.
        share = tl.exp(own - top)
        near, far = log1p(others / share), (top - own) + log_sum
        tl.store(statistics + row, tl.where(share > others, near, far))


@triton.jit(do_not_specialize=["rows"])
def row_backward(
    logits, target, class_weight, statistics, by_row, by_expected, by_logits, rows, classes,
    soft: tl.constexpr, expected: tl.constexpr, weighted: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A block of a row of the gradient, ``by_expected (p_i sum_k v_k - v_i)`` plus another term.

    That is ``by_row (p_i - [i == t])`` with an index, ``by_row p_i (1 - q - y_i)`` with labels.
    """
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    start = tl.program_id(1) * block
    column = start + tl.arange(0, block)
    z = load_part(logits + row * classes, start, classes, float("-inf"), block)
    top, log_sum = tl.load(statistics + 3 * rows + row), tl.load(statistics + 4 * rows + row)
    # Two steps, because their sum would round away log_sum for large logits.
    p = tl.exp((z - top) - log_sum)
    q, along = tl.load(statistics + rows + row), tl.load(by_row + row)
    counts = along != 0.0
    if soft:
        y = load_part(target + row * classes, start, classes, 0.0, block)
        gradient = along * p * ((1.0 - q) - y)
    else:
        y = tl.where(column == tl.load(target + row), 1.0, 0.0)
        gradient = along * tl.where(y == 1.0, -q, p)
    if expected:
        along = tl.load(by_expected + row)
        counts |= along != 0.0
        v = expected_weights(y, class_weight, start, classes, soft, weighted, block)
        gradient += along * (p * tl.load(statistics + 5 * rows + row) - v)
    # Samples that do not count have no gradient, whatever their logits are.
    gradient = tl.where(counts, gradient, 0.0)
    tl.store(by_logits + row * classes + column, gradient, mask=column < classes)


def forward(logits: Tensor, target: Tensor, averaged: bool, class_weight: Tensor | None) -> Tensor:
    """What :func:`row_forward` writes, (6, N) float32, for logits (N, C).

    ``target`` holds class indices (N), with which the mean is wanted if ``averaged``, or labels
    (N, C).
    """
    statistics = torch.empty((6, len(logits)), dtype=torch.float32, device=logits.device)
    _launch(row_forward, averaged, logits, target, class_weight, statistics)
    return statistics


def backward(
    logits: Tensor, target: Tensor, class_weight: Tensor | None, statistics: Tensor,
    by_row: Tensor, by_expected: Tensor | None,
) -> Tensor:  # fmt: skip
    """The gradient by the logits (N, C), in their dtype.

    For class indices ``by_row`` (N) is the derivative by all that depends on ``-log P_t``, and
    ``by_expected`` (N) that by the mean, or None; for labels those by q and by the base term.
    """
    rows, classes = logits.shape
    by_logits = torch.empty((rows, classes), dtype=logits.dtype, device=logits.device)
    others = (class_weight, statistics, by_row, by_expected, by_logits)
    _launch(row_backward, by_expected is not None, logits, target, *others)
    return by_logits


def _launch(kernel, averaged: bool, logits: Tensor, target: Tensor, *others: Tensor | None) -> None:
    """A kernel on logits, target, class weights or None, statistics, and more."""
    (rows, classes), soft = logits.shape, target.is_floating_point()
    if rows == 0:
        return
    constants = {"soft": soft, "expected": soft or averaged, "weighted": others[0] is not None}
    block = min(triton.next_power_of_2(classes), LARGEST_BLOCK)
    # The forward pass goes over a row block by block, the backward pass over all blocks at once.
    grid = (rows, 1 if kernel is row_forward else triton.cdiv(classes, block))
    options = {"block": block, "num_warps": min(max(block // 512, 1), 8), **LAUNCH}
    arrays = (logits, target, *others)
    contiguous = [None if each is None else each.contiguous() for each in arrays]
    # Triton launches on the current device, not on that of the arrays.
    with torch.cuda.device(logits.device) if logits.is_cuda else contextlib.nullcontext():
        kernel[grid](*contiguous, rows, classes, **constants, **options)
