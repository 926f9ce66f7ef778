"""Functions that the Triton kernels share: accurate elementary ones, and the PolyLoss series."""

import contextlib
from contextlib import AbstractContextManager

import torch
import triton
import triton.language as tl
from torch import Tensor

# q^gamma keeps finite derivatives for gamma below 1; see PolySeries.
FLOOR = tl.constexpr(torch.finfo(torch.float32).tiny ** 0.5)


@triton.jit
def log1p(x):
    """log(1 + x) without losing small x: what 1 + x rounds away cancels in the quotient (Kahan)."""
    rounded = 1.0 + x
    difference = tl.where(rounded == 1.0, 1.0, rounded - 1.0)
    return tl.where(rounded == 1.0, x, tl.log(rounded) * (x / difference))


@triton.jit
def both_sides(x):
    """``p = 1 / (1 + e^-x)``, 1 - p, ``-log p`` and ``-log(1 - p)``, all with relative accuracy."""
    small = tl.exp(-tl.abs(x))
    inverse, rest = 1.0 / (1.0 + small), log1p(small)
    p = tl.where(x >= 0, 1.0, small) * inverse
    complement = tl.where(x >= 0, small, 1.0) * inverse
    return p, complement, tl.maximum(-x, 0.0) + rest, tl.maximum(x, 0.0) + rest


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
def base_term(nll, q, terms, truncated: tl.constexpr):
    """The base term of a class with ``-log p = nll`` and ``1 - p = q``."""
    if truncated:
        result = tl.zeros_like(q)
        for step in range(terms):
            result = (result + 1.0 / (terms - step)) * q
        return result
    return nll


@triton.jit
def base_weight(q, terms, truncated: tl.constexpr):
    """The gradient weight of the base term alone."""
    return 1.0 - tl.exp(terms * tl.log(q)) if truncated else tl.full(q.shape, 1.0, tl.float32)


@triton.jit
def perturbation(q, epsilon, count: tl.constexpr):
    """``sum_j e_j q^j`` and its derivative."""
    value, slope = tl.zeros_like(q), tl.zeros_like(q)
    for step in tl.static_range(count):
        slope = slope * q + value
        value = value * q + epsilon[count - 1 - step]
    return value * q, slope * q + value


LARGEST_BLOCK = 4096
# Contraction of products and sums, which Triton will stop doing unasked; and an index out of range
# is a device assertion, as in torch.
LAUNCH = {"enable_fp_fusion": True, "debug": True, "sanitize_overflow": False}


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


def blocks_of(classes: int, options: dict) -> int:
    """How many blocks a row has, wherever it begins within a multiple of the width."""
    surplus = 0 if options["even"] else options["width"] - 1
    return triton.cdiv(classes + surplus, options["block"])


def on_device_of(tensor: Tensor) -> AbstractContextManager:
    """Where a kernel is to be launched: Triton takes the current device, not that of its arrays."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else contextlib.nullcontext()


def series_arguments(series) -> tuple[tuple, dict]:
    """What the kernels take of a :class:`PolySeries`: epsilon, terms and gamma, and their options.

    Epsilon is a tuple of numbers, so that no coefficient is copied to the device or compiled in.
    """
    options = {
        "count": len(series.epsilon),
        "truncated": series.terms is not None,
        "focal": series.gamma != 0,
    }
    return (series.epsilon or (0.0,), series.terms or 0, series.gamma), options
