"""The PolyLoss family of Leng et al. (ICLR 2022): Poly-1, Poly-N, truncated, focal, mixed."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from polyrepro.losses.checks import LARGEST, checked, checked_epsilon, checked_terms
from polyrepro.losses.polynomial import (
    HORNER_LIMIT,
    evaluate_derivative,
    evaluate_polynomial,
    integer_power,
    smallest_base,
    truncated_logarithm,
)
from polyrepro.losses.series import Series


@dataclass(frozen=True)
class PolySeries(Series):
    """``q^gamma * T(P_t) + sum_j e_j q^(j + gamma)``, where q = 1 - P_t and T = -log P_t.

    Args:
        epsilon: e_1 .. e_N, a finite number or a sequence of them: e_j is added to the coefficient
            1/j of q^j (``L_Poly-1``, ``L_Poly-N``). Below -1/j a warning is given.
        terms: truncate T after N >= 1 terms, ``sum_{j<=N} q^j / j`` (``L_Drop``); None
            keeps the whole logarithm. The epsilon terms are added to what is left.
        gamma: focal exponent >= 0, a shift of all powers of q.

    Raises:
        TypeError, ValueError: naming the argument, its value and what is allowed.
    """

    epsilon: float | Sequence[float] = ()
    terms: int | None = None
    gamma: float = 0.0
    is_perturbed = False

    def __post_init__(self) -> None:
        rule = "a finite number >= 0"
        gamma = float(checked("gamma", self.gamma, rule, lambda x: 0 <= x <= LARGEST))
        object.__setattr__(self, "epsilon", checked_epsilon(self.epsilon))
        object.__setattr__(self, "gamma", gamma)
        object.__setattr__(self, "terms", checked_terms(self.terms))
        object.__setattr__(self, "is_perturbed", any(self._values))

    @property
    def _values(self) -> tuple[float, ...]:
        """Epsilon as it is kept."""
        return cast(tuple[float, ...], self.epsilon)

    @property
    def is_cross_entropy(self) -> bool:
        return self.terms is None and self.gamma == 0 and not self.is_perturbed

    @property
    def has_bounded_base(self) -> bool:
        return self.terms is not None

    def bounded_base(self, q: Tensor) -> Tensor:
        return truncated_logarithm(q, cast(int, self.terms))

    def bounded_base_weight(self, q: Tensor) -> Tensor:
        return 1 - integer_power(q, cast(int, self.terms))

    def modulation(self, q: Tensor) -> Tensor | None:
        return self._focus(q) if self.gamma else None

    def polynomial(self, q: Tensor) -> Tensor | None:
        polynomial = evaluate_polynomial(q, self._values) if self.is_perturbed else None
        return polynomial if polynomial is None or not self.gamma else self._focus(q) * polynomial

    def combine(self, base: Tensor, q: Tensor, weight: Tensor | None = None) -> Tensor:
        """As for any series, but with one power of q."""
        if self.is_perturbed:
            polynomial = evaluate_polynomial(q, self._values)
            base = base + (polynomial if weight is None else weight * polynomial)
        return self._focus(q) * base if self.gamma else base

    def combine_with_derivatives(self, base: Tensor, q: Tensor) -> tuple[Tensor | float, ...]:
        """Written out, because the sigmoid form has one value per element."""
        by_q: Tensor | float = 0.0
        if self.is_perturbed:
            base = base + evaluate_polynomial(q, self._values)
            by_q = evaluate_derivative(q, self._values)
        if not self.gamma:
            return base, torch.ones_like(q), by_q
        # One power less than the loss has, so that no quotient is needed.
        clamped = q.clamp(min=smallest_base(q))
        lower = clamped ** (self.gamma - 1)
        modulation, scaled = lower * clamped, lower * base
        by_q = self.gamma * scaled + modulation * by_q if self.is_perturbed else self.gamma * scaled
        return clamped * scaled, modulation, by_q

    def leading_weight(self, log_pt: Tensor) -> Tensor:
        """Of the term ``alpha_1 q^(1 + gamma)``: ``(1 + gamma) alpha_1 P_t q^gamma``."""
        leading = (1 + self.gamma) * self.coefficients(1)[0] * torch.exp(log_pt)
        return leading * self._focus(-torch.expm1(log_pt)) if self.gamma else leading

    def coefficients(self, count: int) -> list[float]:
        """alpha_1 .. alpha_count, where alpha_j is the coefficient of q^(j + gamma)."""
        kept = count if self.terms is None else self.terms
        added = (*self._values, *[0.0] * count)
        return [(1 / j if j <= kept else 0.0) + added[j - 1] for j in range(1, count + 1)]

    def for_compilation(self) -> "PolySeries":
        """The same series with e_j as 0-dimensional tensors.

        ``torch.compile`` takes the numbers of a module for constants and compiles anew for each
        epsilon; tensors it takes for inputs.
        """
        if len(self._values) > HORNER_LIMIT:
            return self
        series = copy.copy(self)
        values = tuple(torch.tensor(value, dtype=torch.float64) for value in self._values)
        object.__setattr__(series, "epsilon", values)
        return series

    def _focus(self, q: Tensor) -> Tensor:
        """q^gamma, whose floor keeps both derivatives free of 0 * inf at P_t = 1 for gamma < 1."""
        return q.clamp(min=smallest_base(q)) ** self.gamma
