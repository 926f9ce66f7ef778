"""Polynomials without a constant term, evaluated elementwise on tensors."""

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from polyrepro.losses.reduction import Function, is_known

HORNER_LIMIT = 12
SHORT_VECTOR = 2**13


def evaluate_polynomial(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    """``sum_j coefficients[j-1] * q^j`` for at least one coefficient, with the shape of ``q``."""
    if len(coefficients) <= HORNER_LIMIT or torch.compiler.is_compiling():
        return _horner(q, coefficients)
    if torch.is_grad_enabled():
        return LongPolynomial.apply(q, coefficients)[0]
    return _horner(q, coefficients) if q.numel() > SHORT_VECTOR else _by_powers(q, coefficients)[0]


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
    constant, *higher = _derived(coefficients)
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


class LongPolynomial(Function):
    """The value, and the derivative, which shares its powers of q and so costs little there."""

    @staticmethod
    def forward(q, coefficients):
        if q.numel() > SHORT_VECTOR:
            return _horner(q, coefficients), evaluate_derivative(q, coefficients)
        return _by_powers(q, coefficients)

    @staticmethod
    def setup_context(ctx, inputs, output):
        q, ctx.coefficients = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(q, output[1])
        ctx.save_for_forward(q, output[1])

    @staticmethod
    def backward(ctx, by_value, by_derivative):
        q, derivative = ctx.saved_tensors
        gradient = 0 if by_value is None else by_value * derivative
        if by_derivative is not None:
            second = evaluate_derivative(q, _derived(ctx.coefficients)[1:])
            gradient = gradient + by_derivative * second
        return gradient, None

    @staticmethod
    def jvp(ctx, tangent, _):
        q, derivative = ctx.saved_tensors
        second = evaluate_derivative(q, _derived(ctx.coefficients)[1:])
        return tangent * derivative, tangent * second


def _horner(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    result = q * coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = (result + coefficient) * q
    return result


def _by_powers(q: Tensor, coefficients: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The value and the derivative, by about sqrt(N) low powers of q times sqrt(N) high ones.

    The number of calls to torch is what costs time for a short vector, and it does not grow with N
    (Paterson and Stockmeyer, 1973). In float64, which autocast leaves alone.
    """
    low_count = math.isqrt(len(coefficients))
    high_count = -(-len(coefficients) // low_count)
    padding = [0.0] * (high_count * low_count - len(coefficients))
    constant, *derived = _derived(coefficients)
    numbers = [*coefficients, *padding, *derived, 0.0, *padding]
    table = torch.tensor(numbers, dtype=torch.float64, device=q.device).view(-1, low_count)
    low = q.double().reshape(-1).expand(low_count, -1).cumprod(0)
    high = low[-1].expand(high_count - 1, -1).cumprod(0)
    parts = (table @ low).view(2, high_count, -1)
    sums = (parts[:, 0] + (parts[:, 1:] * high).sum(1)).to(q.dtype)
    value, derivative = sums.view(2, *q.shape)
    return value, derivative + constant


def _derived(coefficients: Sequence[float]) -> list[float]:
    """Of the derivative, from its constant term on."""
    return [j * value for j, value in enumerate(coefficients, start=1)]
