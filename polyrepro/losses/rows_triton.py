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
def row_start(row, classes, width: tl.constexpr):
    """Where a row begins, as a multiple of ``width`` elements and what is left over.

    Loads are wide only from multiples of 16 bytes, which rows of 21,843 classes do not begin at.
    """
    begin = row * classes
    whole = begin // width
    return whole * width, (begin - whole * width).to(tl.int32)


@triton.jit
def load_part(
    row, start, first, end, other,
    width: tl.constexpr, even: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """``block`` elements of a row from ``start``, with ``other`` outside ``first .. end``.

    Masks keep loads narrow unless they are known to change at multiples of ``width`` only, which
    they do if the classes fill whole ones (``even``). Else all parts but the edges have none.
    """
    column = start + tl.arange(0, block)
    if even:
        values = tl.load(row + column, mask=column // width < end // width, other=other)
    elif (start >= first) & (start + block <= end):
        values = tl.load(row + column)
    else:
        values = tl.load(row + column, mask=(column >= first) & (column < end), other=other)
    return values.to(tl.float32)


@triton.jit
def store_part(
    row, start, first, end, values,
    width: tl.constexpr, even: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """The counterpart of ``load_part``."""
    column = start + tl.arange(0, block)
    if even:
        tl.store(row + column, values, mask=column // width < end // width)
    elif (start >= first) & (start + block <= end):
        tl.store(row + column, values)
    else:
        tl.store(row + column, values, mask=(column >= first) & (column < end))


@triton.jit
def class_weights(class_weight, start, first, end, weighted: tl.constexpr, block: tl.constexpr):
    """The weights that belong to a part of a row: 1 if there are none, 0 outside of the row."""
    column = start + tl.arange(0, block)
    inside = (column >= first) & (column < end)
    if weighted:
        return tl.load(class_weight + (column - first), mask=inside, other=0.0)
    return tl.where(inside, 1.0, 0.0)


@triton.jit(do_not_specialize=["rows"])
def index_forward(
    logits, index, class_weight, statistics, rows, classes,
    weighted: tl.constexpr, averaged: tl.constexpr,
    width: tl.constexpr, even: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """One row: an online softmax over the other classes, with one exponential per class.

    Writes ``-log P_t``, the mean of ``-w_i log p_i``, ``1 - P_t``, the two parts of the softmax's
    denominator (the highest logit; the logarithm of the rest), and the mean of w: ``statistics``
    (6, rows).
    """
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    begin, first = row_start(row, classes, width)
    logits += begin
    end = first + classes
    target = tl.load(index + row)
    in_range = (target >= 0) & (target < classes)
    tl.device_assert(in_range, "target is out of range")
    own = tl.load(logits + first + target, mask=in_range, other=float("nan")).to(tl.float32)
    place = first + target
    top = tl.full([], float("-inf"), tl.float32)
    others = tl.full([], 0.0, tl.float32)
    spread = tl.full([], 0.0, tl.float32)
    mass = tl.full([], 0.0, tl.float32)
    for start in range(0, end, block):
        z = load_part(logits, start, first, end, float("-inf"), width, even, block)
        column = start + tl.arange(0, block)
        if averaged:
            w = class_weights(class_weight, start, first, end, weighted, block)
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
    small = tl.exp(-tl.abs(margin))
    tl.store(statistics + row, tl.maximum(-margin, 0.0) + log1p(small))
    if averaged:
        mean_weight = mass / classes
        mean_nll = mean_weight * ((overall - own) + log_sum) - spread / classes
        tl.store(statistics + rows + row, mean_nll)
        tl.store(statistics + 5 * rows + row, mean_weight)
    tl.store(statistics + 2 * rows + row, tl.where(margin >= 0, small, 1.0) / (1.0 + small))
    tl.store(statistics + 3 * rows + row, overall)
    tl.store(statistics + 4 * rows + row, log_sum)


@triton.jit(do_not_specialize=["rows"])
def index_backward(
    logits, index, class_weight, statistics, by_nll, by_mean, by_logits, rows, classes,
    weighted: tl.constexpr, averaged: tl.constexpr,
    width: tl.constexpr, even: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A block of a row of ``by_nll (p_i - [i == t]) + by_mean (p_i mean(w) - w_i / C)``."""
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    begin, first = row_start(row, classes, width)
    end, start = first + classes, tl.program_id(1) * block
    column = start + tl.arange(0, block)
    z = load_part(logits + begin, start, first, end, float("-inf"), width, even, block)
    top, log_sum = tl.load(statistics + 3 * rows + row), tl.load(statistics + 4 * rows + row)
    # Two steps, because their sum would round away log_sum for large logits.
    p = tl.exp((z - top) - log_sum)
    q, along = tl.load(statistics + 2 * rows + row), tl.load(by_nll + row)
    counts = along != 0.0
    gradient = along * tl.where(column == first + tl.load(index + row), -q, p)
    if averaged:
        along = tl.load(by_mean + row)
        counts |= along != 0.0
        w = class_weights(class_weight, start, first, end, weighted, block)
        gradient += along * (p * tl.load(statistics + 5 * rows + row) - w / classes)
    # Samples that do not count have no gradient, whatever their logits are.
    gradient = tl.where(counts, gradient, 0.0)
    store_part(by_logits + begin, start, first, end, gradient, width, even, block)


@triton.jit(do_not_specialize=["rows"])
def label_forward(
    logits, labels, class_weight, statistics, rows, classes,
    weighted: tl.constexpr, width: tl.constexpr, even: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """One row: an online softmax, and the sums over the labels that go with it.

    Writes ``-sum_i y_i w_i log p_i``, ``1 - sum_i y_i p_i``, ``sum_i y_i w_i`` and the two parts of
    the softmax's denominator: ``statistics`` (5, rows).
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
        y = load_part(labels + begin, start, first, end, 0.0, width, even, block)
        higher = tl.maximum(top, tl.max(z, 0))
        # While all logits so far are -inf, do not compute inf - inf.
        shift = tl.where(higher == float("-inf"), 0.0, higher)
        scale = tl.exp(top - shift)
        e = tl.exp(z - shift)
        total = total * scale + tl.sum(e, 0)
        # p (1 - y), summed, is 1 - sum_i y_i p_i without its cancellation.
        others = others * scale + tl.sum(e * (1.0 - y), 0)
        weight = y * class_weights(class_weight, start, first, end, weighted, block)
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
    weighted: tl.constexpr, width: tl.constexpr, even: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A block of a row of ``by_base (p_i sum_k v_k - v_i) + by_q p_i (1 - q - y_i)``."""
    row, rows = tl.program_id(0).to(tl.int64), rows.to(tl.int64)
    begin, first = row_start(row, classes, width)
    end, start = first + classes, tl.program_id(1) * block
    z = load_part(logits + begin, start, first, end, float("-inf"), width, even, block)
    y = load_part(labels + begin, start, first, end, 0.0, width, even, block)
    q, mass = tl.load(statistics + rows + row), tl.load(statistics + 2 * rows + row)
    top, log_sum = tl.load(statistics + 3 * rows + row), tl.load(statistics + 4 * rows + row)
    # Two steps, because their sum would round away log_sum for large logits.
    p = tl.exp((z - top) - log_sum)
    v = y * class_weights(class_weight, start, first, end, weighted, block)
    along_base, along_q = tl.load(by_base + row), tl.load(by_q + row)
    gradient = along_base * (p * mass - v) + along_q * p * ((1.0 - q) - y)
    store_part(by_logits + begin, start, first, end, gradient, width, even, block)


def row_options(logits: Tensor) -> dict:
    """How the kernels for rows of ``logits`` cut them: into blocks, for loads of 16 bytes."""
    classes, width = logits.shape[1], 16 // logits.element_size()
    block = min(triton.next_power_of_2(classes), LARGEST_BLOCK)
    return {
        "width": width,
        "even": classes % width == 0,
        "block": block,
        "num_warps": min(max(block // 512, 1), 8),
        **LAUNCH,
    }


def index_statistics(
    logits: Tensor, index: Tensor, averaged: bool, class_weight: Tensor | None
) -> Tensor:
    """What :func:`index_forward` writes, (6, N) float32, for logits (N, C) and index (N)."""
    arguments = (logits.contiguous(), index.contiguous(), _contiguous(class_weight))
    options = {"weighted": class_weight is not None, "averaged": averaged}
    return _forward(index_forward, 6, logits, arguments, options)


def index_gradient(
    logits: Tensor, index: Tensor, class_weight: Tensor | None, statistics: Tensor,
    by_nll: Tensor, by_mean: Tensor | None,
) -> Tensor:  # fmt: skip
    """The gradient by the logits (N, C), in their dtype; ``by_nll`` and ``by_mean`` are (N)."""
    arguments = (logits.contiguous(), index.contiguous(), _contiguous(class_weight), statistics)
    options = {"weighted": class_weight is not None, "averaged": by_mean is not None}
    along = (by_nll.contiguous(), _contiguous(by_mean))
    return _backward(index_backward, logits, (*arguments, *along), options)


def label_statistics(logits: Tensor, labels: Tensor, class_weight: Tensor | None) -> Tensor:
    """What :func:`label_forward` writes, (5, N) float32, for logits and labels (N, C)."""
    arguments = (logits.contiguous(), labels.contiguous(), _contiguous(class_weight))
    options = {"weighted": class_weight is not None}
    return _forward(label_forward, 5, logits, arguments, options)


def label_gradient(
    logits: Tensor, labels: Tensor, class_weight: Tensor | None, statistics: Tensor,
    by_base: Tensor, by_q: Tensor,
) -> Tensor:  # fmt: skip
    """The gradient by the logits (N, C), in their dtype; ``by_base`` and ``by_q`` are (N)."""
    arguments = (logits.contiguous(), labels.contiguous(), _contiguous(class_weight), statistics)
    options = {"weighted": class_weight is not None}
    along = (by_base.contiguous(), by_q.contiguous())
    return _backward(label_backward, logits, (*arguments, *along), options)


def _forward(kernel, count: int, logits: Tensor, arguments: tuple, options: dict) -> Tensor:
    rows, classes = logits.shape
    statistics = torch.empty((count, rows), dtype=torch.float32, device=logits.device)
    if rows:
        with _on_device_of(logits):
            kernel[(rows,)](
                *arguments, statistics, rows, classes, **options, **row_options(logits)
            )  # fmt: skip
    return statistics


def _backward(kernel, logits: Tensor, arguments: tuple, options: dict) -> Tensor:
    rows, classes = logits.shape
    by_logits = torch.empty((rows, classes), dtype=logits.dtype, device=logits.device)
    if rows:
        cut = row_options(logits)
        # Wherever a row begins within a multiple of the width, its blocks cover it.
        blocks = triton.cdiv(classes + (0 if cut["even"] else cut["width"] - 1), cut["block"])
        with _on_device_of(logits):
            kernel[(rows, blocks)](*arguments, by_logits, rows, classes, **options, **cut)
    return by_logits


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _on_device_of(tensor: Tensor) -> AbstractContextManager:
    """Where a kernel is to be launched: Triton takes the current device, not that of its arrays."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else contextlib.nullcontext()
