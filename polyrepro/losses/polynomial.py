"""Polynomials without a constant term, evaluated elementwise on tensors."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

HORNER_LIMIT = 8


def evaluate_polynomial(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    """``sum_j coefficients[j-1] * q^j`` for at least one coefficient, with the shape of ``q``.

    Horner's rule for a few terms. Many are cut into about sqrt(N) blocks (Paterson and Stockmeyer,
    1973): the calls to torch then number sqrt(N), which is what short vectors pay for.
    """
    if len(coefficients) <= HORNER_LIMIT:
        return _horner(q, coefficients)
    return _blocked(q, coefficients)


def evaluate_derivative(q: Tensor, coefficients: Sequence[float]) -> Tensor | float:
    """``sum_j j * coefficients[j-1] * q^(j-1)``: the shape of ``q``, or a number for one term."""
    constant, *higher = [j * value for j, value in enumerate(coefficients, start=1)]
    return evaluate_polynomial(q, higher) + constant if higher else constant


def _horner(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    result = q * coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = (result + coefficient) * q
    return result


def _blocked(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    size = math.isqrt(len(coefficients))
    blocks = -(-len(coefficients) // size)
    padded = [*coefficients, *[0.0] * (blocks * size - len(coefficients))]
    table = q.new_tensor(padded).view(blocks, size)
    powers = [q]
    for _ in range(size - 1):
        powers.append(powers[-1] * q)
    # A product and a sum, not a matrix product: autocast would round that to half precision.
    sums = (torch.stack(powers, -1).unsqueeze(-2) * table).sum(-1).unbind(-1)
    result = sums[-1]
    for block in reversed(sums[:-1]):
        result = block + result * powers[-1]
    return result
