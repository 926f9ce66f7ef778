"""Polynomials without a constant term, evaluated elementwise on tensors."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

HORNER_LIMIT = 6
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
    """``sum_{j<=terms} q^j / j``, the start of the series of ``-log(1 - q)``, shaped like ``q``.

    Horner's rule on ``s_j = 1 + q s_(j+1) j / (j+1)``, which is one call to torch per term.
    """
    if terms > 2 * HORNER_LIMIT and q.numel() <= SHORT_VECTOR:
        return _blocked(q, [1 / j for j in range(1, terms + 1)])
    one = result = q.new_ones(())
    for j in range(terms - 1, 0, -1):
        result = torch.addcmul(one, q, result, value=j / (j + 1))
    return result * q


def integer_power(q: Tensor, exponent: int) -> Tensor:
    """``q ** exponent`` for an exponent >= 1 by repeated squaring; torch takes a logarithm."""
    result = None
    while True:
        if exponent % 2:
            result = q if result is None else result * q
        exponent //= 2
        if not exponent:
            return result
        q = q * q


def _horner(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    result = q * coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = (result + coefficient) * q
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
