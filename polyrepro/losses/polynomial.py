"""Polynomials without a constant term, evaluated elementwise on tensors."""

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from polyrepro.losses.reduction import is_known, with_signature

HORNER_LIMIT = 12
SHORT_VECTOR = 2**15


def evaluate_polynomial(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    """``sum_j coefficients[j-1] * q^j`` for at least one coefficient, with the shape of ``q``."""
    if len(coefficients) <= HORNER_LIMIT or torch.compiler.is_compiling():
        return _horner(q, coefficients)
    if torch.is_grad_enabled():
        return LongPolynomial.apply(q, coefficients)
    return _long_polynomial(q, coefficients)


def truncated_logarithm(q: Tensor, terms: int) -> Tensor:
    """``sum_{j<=terms} q^j / j``, the start of the series of ``-log(1 - q)``, shaped like ``q``.

    Of many classes most have p = 1 - q below 1 / terms, and there few powers of p suffice::

        sum_{j<=N} (1 - p)^j / j = H_N - sum_{k>=1} (-1)^(k-1) binomial(N, k) p^k / k
    """
    coefficients = [1 / j for j in range(1, terms + 1)]
    expansion = _expansion(q.dtype, terms)
    large = q.numel() > SHORT_VECTOR and not torch.is_grad_enabled()
    if not large or terms <= 2 * len(expansion):
        return evaluate_polynomial(q, coefficients)
    sure = q < 1 - 1 / terms
    if not is_known(2 * sure.sum() < q.numel()):
        return evaluate_polynomial(q, coefficients)
    places = sure.flatten().nonzero().squeeze(1)
    values = evaluate_polynomial(q.flatten()[places], coefficients)
    result = _horner(1 - q, expansion) + math.fsum(coefficients)
    return result.flatten().index_copy(0, places, values).view(q.shape)


@functools.cache
def _expansion(dtype: torch.dtype, terms: int) -> list[float]:
    """Coefficients in p; for N p <= 1 the remainder after k terms is below ``1 / (k + 1)!``."""
    count = 1
    while 1 / math.factorial(count + 1) > torch.finfo(dtype).eps / 4:
        count += 1
    return [(-1) ** k * math.comb(terms, k) / k for k in range(1, min(count, terms) + 1)]


def evaluate_derivative(q: Tensor, coefficients: Sequence[float]) -> Tensor | float:
    """``sum_j j * coefficients[j-1] * q^(j-1)``: the shape of ``q``, or a number for one term."""
    constant, *higher = [j * value for j, value in enumerate(coefficients, start=1)]
    return evaluate_polynomial(q, higher) + constant if higher else constant


def integer_power(q: Tensor, exponent: int) -> Tensor:
    """``q ** exponent`` for an exponent >= 1 by repeated squaring; torch takes a logarithm."""
    result = q
    for digit in f"{exponent:b}"[1:]:
        result = result * result * q if digit == "1" else result * result
    return result


def smallest_base(q: Tensor) -> float:
    """The least q whose powers ``q^x``, x > 0, have two finite derivatives in its precision."""
    return torch.finfo(q.dtype).tiny ** 0.5


@with_signature
class LongPolynomial(torch.autograd.Function):
    """Keeps q alone for its derivatives, which are polynomials again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(q, coefficients):
        return _long_polynomial(q, coefficients)

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


def _horner(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    result = q * coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = (result + coefficient) * q
    return result


def _long_polynomial(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Of a short vector, by about sqrt(N) low powers times sqrt(N) high ones.

    The number of calls to torch is what costs time there, and it does not grow with N (Paterson and
    Stockmeyer, 1973). In float64, which autocast leaves alone.
    """
    if q.numel() > SHORT_VECTOR:
        return _horner(q, coefficients)
    size = math.isqrt(len(coefficients))
    blocks = -(-len(coefficients) // size)
    padded = [*coefficients, *[0.0] * (blocks * size - len(coefficients))]
    table = torch.tensor(padded, dtype=torch.float64, device=q.device).view(blocks, size)
    low = torch.linalg.vander(q.double(), N=size + 1)[..., 1:]
    high = torch.linalg.vander(low[..., -1], N=blocks)
    return ((low @ table.T) * high).sum(-1).to(q.dtype)
