"""Functions that the Triton kernels share."""

import triton
import triton.language as tl


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
