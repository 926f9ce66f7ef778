"""Polynomials without a constant term, evaluated elementwise on tensors."""

import inspect
import math
from collections.abc import Sequence

import torch
from torch import Tensor

HORNER_LIMIT = 12
SHORT_VECTOR = 2**15


def evaluate_polynomial(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    """``sum_j coefficients[j-1] * q^j`` for at least one coefficient, with the shape of ``q``.

    Horner's rule, unless many terms meet a short vector: what costs time then is the number of
    calls to torch, and cutting the series into about sqrt(N) blocks (Paterson and Stockmeyer, 1973)
    makes it grow with sqrt(N) only.
    """
    long = len(coefficients) > HORNER_LIMIT and q.numel() <= SHORT_VECTOR
    if long and not torch.compiler.is_compiling():
        return LongPolynomial.apply(q, coefficients)
    result = q * coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = (result + coefficient) * q
    return result


def evaluate_derivative(q: Tensor, coefficients: Sequence[float]) -> Tensor | float:
    """``sum_j j * coefficients[j-1] * q^(j-1)``: the shape of ``q``, or a number for one term."""
    constant, *higher = [j * value for j, value in enumerate(coefficients, start=1)]
    return evaluate_polynomial(q, higher) + constant if higher else constant


def smallest_base(q: Tensor) -> float:
    """The least q whose powers ``q^x``, x > 0, have two finite derivatives in its precision."""
    return torch.finfo(q.dtype).tiny ** 0.5


class LongPolynomial(torch.autograd.Function):
    """Keeps q alone for its derivatives, which are polynomials again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(q, coefficients):
        return _in_blocks(q, coefficients)

    @staticmethod
    def setup_context(ctx, inputs, output):
        q, ctx.coefficients = inputs
        ctx.save_for_backward(q)
        ctx.save_for_forward(q)

    @staticmethod
    def backward(ctx, by_value):
        return by_value * evaluate_derivative(*ctx.saved_tensors, ctx.coefficients), None

    @staticmethod
    def jvp(ctx, tangent, _):
        return tangent * evaluate_derivative(*ctx.saved_tensors, ctx.coefficients)


# torch looks the signature up at every call, which costs more than the arithmetic.
LongPolynomial.forward.__signature__ = inspect.signature(LongPolynomial.forward)


def _in_blocks(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    size = math.isqrt(len(coefficients))
    blocks = -(-len(coefficients) // size)
    padded = [*coefficients, *[0.0] * (blocks * size - len(coefficients))]
    table = q.new_tensor(padded).view(blocks, size).T
    powers = [q]
    for _ in range(size - 1):
        powers.append(powers[-1] * q)
    # A product and a sum, not a matrix product: autocast would round that to half precision.
    terms = torch.stack(powers).unsqueeze(1) * table.reshape(size, blocks, *[1] * q.dim())
    sums = terms.sum(0).unbind(0)
    result = sums[-1]
    for block in reversed(sums[:-1]):
        result = torch.addcmul(block, result, powers[-1])
    return result
