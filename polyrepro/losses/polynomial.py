"""Polynomials without a constant term, evaluated elementwise on tensors."""

from collections.abc import Sequence

from torch import Tensor


def evaluate_polynomial(q: Tensor, coefficients: Sequence[float]) -> Tensor:
    """``sum_j coefficients[j-1] * q^j`` by Horner's rule; the result has the shape of ``q``."""
    result = q * coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = (result + coefficient) * q
    return result
