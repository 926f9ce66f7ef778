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
def softplus(x):
    """log(1 + e^x), accurate at both ends."""
    return tl.maximum(x, 0.0) + log1p(tl.exp(-tl.abs(x)))


@triton.jit
def sigmoid(x):
    """1 / (1 + e^-x), with full relative accuracy also where it is tiny."""
    small = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, 1.0, small) / (1.0 + small)


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
