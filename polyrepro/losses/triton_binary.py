"""The sigmoid form of :class:`PolySeries` on a GPU: one kernel forward, one backward.

Each reads logits and labels once; forward writes one loss per element, or one partial sum per
block, backward writes the gradient. The formulas are those of ``elementwise.py``, to which any
other series falls back. Speed has not been measured on a GPU yet; the kernels are tested in
Triton's interpreter.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from polyrepro.losses.blocked import BlockedLoss
from polyrepro.losses.reuse import is_last_derivative
from polyrepro.losses.triton_math import (
    FLOOR,
    LAUNCH,
    base_term,
    base_weight,
    both_sides,
    on_device_of,
    perturbation,
    series_arguments,
)

BLOCK = 1024


@triton.jit
def _load(logits, target, size, block: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = at < size
    x = tl.load(logits + at, mask=inside, other=0.0).to(tl.float32)
    y = tl.load(target + at, mask=inside, other=0).to(tl.float32)
    return at, inside, x, y


@triton.jit
def _focused(
    p, complement, nll_one, nll_zero, y, q, epsilon, terms,
    count: tl.constexpr, truncated: tl.constexpr,
):  # fmt: skip
    """Base term plus perturbation, before the focal factor, and the perturbation's slope."""
    one = base_term(nll_one, complement, terms, truncated)
    zero = base_term(nll_zero, p, terms, truncated)
    value, slope = perturbation(q, epsilon, count)
    return y * one + (1.0 - y) * zero + value, slope


@triton.jit
def _forward_kernel(
    logits, target, out, epsilon, size, terms, gamma, positive, negative,
    count: tl.constexpr, truncated: tl.constexpr, focal: tl.constexpr, summed: tl.constexpr,
    block: tl.constexpr,
):  # fmt: skip
    at, inside, x, y = _load(logits, target, size, block)
    p, complement, nll_one, nll_zero = both_sides(x)
    q = y * complement + (1.0 - y) * p
    loss, _ = _focused(
        p, complement, nll_one, nll_zero, y, q, epsilon, terms, count, truncated
    )  # fmt: skip
    if focal:
        loss *= tl.exp(gamma * tl.log(tl.maximum(q, FLOOR)))
    loss *= positive * y + negative * (1.0 - y)
    if summed:
        tl.store(out + tl.program_id(0), tl.sum(tl.where(inside, loss, 0.0), 0))
    else:
        tl.store(out + at, loss, mask=inside)


@triton.jit
def _backward_kernel(
    logits, target, by_loss, by_logits, epsilon, size, terms, gamma, positive, negative,
    count: tl.constexpr, truncated: tl.constexpr, focal: tl.constexpr, summed: tl.constexpr,
    block: tl.constexpr,
):  # fmt: skip
    at, inside, x, y = _load(logits, target, size, block)
    p, complement, nll_one, nll_zero = both_sides(x)
    q = y * complement + (1.0 - y) * p
    focused, by_q = _focused(
        p, complement, nll_one, nll_zero, y, q, epsilon, terms, count, truncated
    )  # fmt: skip
    rise = p * base_weight(p, terms, truncated)
    fall = complement * base_weight(complement, terms, truncated)
    if focal:
        by_q += gamma * focused / tl.maximum(q, FLOOR)
    slope = (1.0 - y) * rise - y * fall + by_q * p * complement * (1.0 - 2.0 * y)
    if focal:
        slope *= tl.exp(gamma * tl.log(tl.maximum(q, FLOOR)))
    slope *= positive * y + negative * (1.0 - y)
    factor = tl.load(by_loss) if summed else tl.load(by_loss + at, mask=inside, other=0.0)
    tl.store(by_logits + at, slope * factor, mask=inside)


class TritonBinaryLoss(BlockedLoss):
    """:class:`BlockedLoss` for PolySeries, with its two inner loops replaced by kernels."""

    @staticmethod
    def forward(logits, target, series, alpha, reduction):
        summed = reduction != "none"
        blocks = triton.cdiv(logits.numel(), BLOCK)
        out = torch.empty(
            blocks if summed else logits.shape, dtype=torch.float32, device=logits.device
        )
        if blocks:
            arguments, options = _arguments(logits, series, alpha, summed)
            with on_device_of(logits):
                _forward_kernel[(blocks,)](
                    logits.contiguous(), _labels(target), out, *arguments, **options
                )
        if not summed:
            return out
        return out.sum() / logits.numel() if reduction == "mean" else out.sum()

    @staticmethod
    def backward(ctx, by_loss):
        if by_loss is None:
            return (None,) * 5
        if not is_last_derivative(by_loss):
            return BlockedLoss.backward(ctx, by_loss)
        logits, target = ctx.saved_tensors
        if ctx.reduction == "mean":
            by_loss = by_loss / logits.numel()
        by_logits = torch.empty(logits.shape, dtype=logits.dtype, device=logits.device)
        blocks = triton.cdiv(logits.numel(), BLOCK)
        if blocks:
            summed = ctx.reduction != "none"
            arguments, options = _arguments(logits, ctx.series, ctx.alpha, summed)
            with on_device_of(logits):
                _backward_kernel[(blocks,)](
                    logits.contiguous(), _labels(target), by_loss.contiguous(), by_logits,
                    *arguments, **options,
                )  # fmt: skip
        return by_logits, None, None, None, None


def _labels(target: Tensor) -> Tensor:
    """Contiguous, and bytes for booleans, which kernels do not read."""
    return (
        target.contiguous().view(torch.uint8) if target.dtype == torch.bool else target.contiguous()
    )


def _arguments(logits: Tensor, series, alpha: float | None, summed: bool) -> tuple[tuple, dict]:
    """What both kernels take after their arrays."""
    positive, negative = (1.0, 1.0) if alpha is None else (float(alpha), 1.0 - float(alpha))
    (epsilon, terms, gamma), options = series_arguments(series)
    arguments = (epsilon, logits.numel(), terms, gamma, positive, negative)
    return arguments, {**options, "summed": summed, "block": BLOCK, **LAUNCH}
