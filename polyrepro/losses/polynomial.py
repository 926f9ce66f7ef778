"""Polynomials without a constant term, evaluated elementwise on tensors."""

import functools
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
    if len(coefficients) <= HORNER_LIMIT or q.numel() > SHORT_VECTOR:
        return _horner(q, coefficients)
    return _blocked(q, coefficients)


def evaluate_derivative(q: Tensor, coefficients: Sequence[float]) -> Tensor | float:
    """``sum_j j * coefficients[j-1] * q^(j-1)``: the shape of ``q``, or a number for one term."""
    constant, *higher = [j * value for j, value in enumerate(coefficients, start=1)]
    return evaluate_polynomial(q, higher) + constant if higher else constant


def truncated_logarithm(q: Tensor, terms: int) -> Tensor:
    """``sum_{j<=terms} q^j / j``, the start of the series of ``-log(1 - q)``, shaped like ``q``."""
    splits = _in_place() and q.device.type == "cpu" and q.numel() > SHORT_VECTOR
    if splits and terms > 2 * len(_expansion(q.dtype, terms)):
        return _long_truncated_logarithm(q, terms)
    return evaluate_polynomial(q, [1 / j for j in range(1, terms + 1)])


def integer_power(q: Tensor, exponent: int) -> Tensor:
    """``q ** exponent`` for an exponent >= 1 by repeated squaring; torch takes a logarithm."""
    result, in_place = q, _in_place()
    for digit in f"{exponent:b}"[1:]:
        result = result.mul_(result) if in_place and result is not q else result * result
        if digit == "1":
            result = result.mul_(q) if in_place else result * q
    return result


def _in_place() -> bool:
    """Whether intermediate results may be overwritten, because no derivative needs them.

    On a large array, memory for each of them would cost more than the arithmetic.
    """
    return not torch.is_grad_enabled() and not torch.compiler.is_compiling()


def _horner(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    result, in_place = q * coefficients[-1], _in_place()
    for coefficient in reversed(coefficients[:-1]):
        result = result.add_(coefficient).mul_(q) if in_place else (result + coefficient) * q
    return result


def _blocked(q: Tensor, coefficients: Sequence[float]) -> Tensor:
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


def _long_truncated_logarithm(q: Tensor, terms: int) -> Tensor:
    """Of the many classes most have p = 1 - q below 1 / terms, and there few powers of p suffice.

    ``sum_{j<=N} (1 - p)^j / j = H_N - sum_{k>=1} (-1)^(k-1) binomial(N, k) p^k / k``.
    """
    result = _horner(1 - q, _expansion(q.dtype, terms))
    result.add_(math.fsum(1 / j for j in range(1, terms + 1)))
    others = (q < 1 - 1 / terms).flatten().nonzero().squeeze(1)
    values = evaluate_polynomial(q.flatten()[others], [1 / j for j in range(1, terms + 1)])
    result.view(-1)[others] = values
    return result


@functools.cache
def _expansion(dtype: torch.dtype, terms: int) -> list[float]:
    """Coefficients in p; for N p <= 1 the remainder after k terms is below ``1 / (k + 1)!``."""
    count = 1
    while 1 / math.factorial(count + 1) > torch.finfo(dtype).eps / 4:
        count += 1
    return [(-1) ** k * math.comb(terms, k) / k for k in range(1, min(count, terms) + 1)]
