"""``-log P_t`` on a GPU: one pass over the logits forward, one that writes the gradient.

Any series is a function of P_t, evaluated on one number per sample; so these two kernels serve
them all. Logits are read twice and the gradient is written once, in the logits' own precision;
nothing of their size is kept. Speed has not been measured on a GPU yet; the kernels are tested in
Triton's interpreter.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from polyrepro.losses.batching import merge_mapped_dimension
from polyrepro.losses.hard_labels import log_probability_of_target
from polyrepro.losses.reuse import is_last_derivative
from polyrepro.losses.triton_math import sigmoid, softplus

LARGEST_BLOCK = 8192


def target_nll(logits: Tensor, index: Tensor) -> Tensor:
    """``-log softmax(logits)[target]`` in float32 for ``(N, C)`` logits and ``(N)`` indices."""
    return TargetNll.apply(logits, index)[0]


@triton.jit
def _forward_kernel(
    logits, index, own_logit, nll_out, q_out, top_out, log_sum_out, classes, stride,
    block: tl.constexpr,
):  # fmt: skip
    """One row: an online softmax over the other classes, with one exponential per class."""
    row = tl.program_id(0).to(tl.int64)
    target = tl.load(index + row)
    own = tl.load(own_logit + row).to(tl.float32)
    top = tl.full([], float("-inf"), tl.float32)
    others = tl.full([], 0.0, tl.float32)
    for start in range(0, classes, block):
        column = start + tl.arange(0, block)
        inside = (column < classes) & (column != target)
        z = tl.load(logits + row * stride + column, mask=inside, other=float("-inf"))
        z = z.to(tl.float32)
        higher = tl.maximum(top, tl.max(z, 0))
        # While all classes so far have a logit of -inf, do not compute inf - inf.
        higher = tl.where(higher == float("-inf"), own, higher)
        others = others * tl.exp(top - higher) + tl.sum(tl.exp(z - higher), 0)
        top = higher
    # P_t = sigmoid(margin): the target is not in the sum, so nothing cancels at P_t next to 1.
    margin = (own - top) - tl.log(others)
    overall = tl.maximum(top, own)
    log_sum = tl.log(tl.exp(own - overall) + others * tl.exp(top - overall))
    tl.store(nll_out + row, softplus(-margin))
    tl.store(q_out + row, sigmoid(-margin))
    tl.store(top_out + row, overall)
    tl.store(log_sum_out + row, log_sum)


@triton.jit
def _backward_kernel(
    logits, index, q, top, log_sum, by_nll, by_logits, classes, stride, block: tl.constexpr
):
    """A block of a row of ``by_nll * (p_i - [i == t])``."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * block + tl.arange(0, block)
    inside = column < classes
    z = tl.load(logits + row * stride + column, mask=inside, other=float("-inf")).to(tl.float32)
    # Two steps, because top + log_sum would round away log_sum for large logits.
    p = tl.exp((z - tl.load(top + row)) - tl.load(log_sum + row))
    slope = tl.where(column == tl.load(index + row), -tl.load(q + row), p)
    gradient = slope * tl.load(by_nll + row)
    tl.store(by_logits + row * classes + column, gradient, mask=inside)


class TargetNll(torch.autograd.Function):
    """-log P_t; keeps the logits (which exist anyway) and four numbers per sample."""

    @staticmethod
    def forward(logits, index):
        rows, classes = logits.shape
        if logits.stride(1) != 1:
            logits = logits.contiguous()
        nll, q, top, log_sum = torch.empty(4, rows, device=logits.device).unbind()
        # Fetched by torch, which fails on an index out of range; a kernel would read elsewhere.
        own = logits.gather(1, index.unsqueeze(1))
        if rows:
            block = min(triton.next_power_of_2(classes), LARGEST_BLOCK)
            _forward_kernel[(rows,)](
                logits, index, own, nll, q, top, log_sum, classes, logits.stride(0),
                block=block, num_warps=_warps(block),
            )  # fmt: skip
        return nll, q, top, log_sum

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, *output[1:])

    @staticmethod
    def backward(ctx, by_nll, *_):
        logits, index, q, top, log_sum = ctx.saved_tensors
        if by_nll is None:
            return None, None
        if torch.is_grad_enabled():
            # The backward pass itself is being differentiated: torch knows how.
            log_pt = log_probability_of_target(logits.float(), index)
            return *torch.autograd.grad(log_pt, logits, -by_nll, create_graph=True), None
        if not is_last_derivative(by_nll):
            # Several gradients at once, which the kernel does not know of.
            slope, _ = TargetNll.backward(ctx, torch.ones_like(q))
            return slope * by_nll.unsqueeze(1), None
        if logits.stride(1) != 1:
            logits = logits.contiguous()
        rows, classes = logits.shape
        by_logits = torch.empty((rows, classes), dtype=logits.dtype, device=logits.device)
        if rows:
            block = min(triton.next_power_of_2(classes), LARGEST_BLOCK)
            _backward_kernel[(rows, triton.cdiv(classes, block))](
                logits, index, q, top, log_sum, by_nll.contiguous(), by_logits, classes,
                logits.stride(0), block=block, num_warps=_warps(block),
            )  # fmt: skip
        return by_logits, None

    @staticmethod
    def vmap(info, in_dims, logits, index):
        size, merged = merge_mapped_dimension(info, in_dims, logits, index)
        outputs = TargetNll.apply(*merged)
        return tuple(out.unflatten(0, (size, -1)) for out in outputs), (0, 0, 0, 0)


def _warps(block: int) -> int:
    return min(max(block // 256, 1), 16)
