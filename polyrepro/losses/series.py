"""The PolyLoss family as one idea: a series in q = 1 - P_t, its value and its gradient weight.

Every loss of the family is a function of the target's probability alone, so its gradient is
cross-entropy's, rescaled per sample: ``dL/dz_i = w(P_t) * (p_i - [i == t])``. The softmax form,
the sigmoid form, the GPU kernels and the figures all build on the classes in this file.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from polyrepro.losses.polynomial import evaluate_polynomial


class Series:
    """A loss as a function of P_t; subclass it and override one method to add a new loss.

    The value is ``modulation(q) * base(log P_t) + polynomial(q)``. The three parts are separate
    because soft labels generalise them differently: the base term becomes its expectation over the
    labels, q becomes ``1 - sum_i y_i p_i``. The defaults are plain cross-entropy.
    """

    def base(self, log_p: Tensor) -> Tensor:
        """The main term for one class, by default ``-log p``; any shape, elementwise."""
        return -log_p

    def modulation(self, q: Tensor) -> Tensor | float:
        """The factor on the base term, a function of ``q = 1 - P_t``; by default 1."""
        return 1.0

    def polynomial(self, q: Tensor) -> Tensor | float:
        """The term added to the base term, a function of ``q = 1 - P_t``; by default 0."""
        return 0.0

    @property
    def is_cross_entropy(self) -> bool:
        """Whether the loss is exactly cross-entropy, so that torch's own function can be used."""
        return False

    def combine(self, base: Tensor, q: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        """The loss from an (already weighted) base term, q, and the weight of the polynomial."""
        return self.modulation(q) * base + weight * self.polynomial(q)

    def value(self, log_pt: Tensor) -> Tensor:
        """f(P_t) from ``log P_t`` (any shape); q is ``-expm1(log P_t)``, accurate near P_t = 1."""
        return self.combine(self.base(log_pt), -torch.expm1(log_pt))

    def gradient_weight(self, log_pt: Tensor) -> Tensor:
        """w(P_t) = -dL/dlog P_t, elementwise; by autograd, so a new series need not derive it."""
        _, pullback = torch.func.vjp(self.value, log_pt)
        return -pullback(torch.ones_like(log_pt))[0]


@dataclass(frozen=True)
class PolySeries(Series):
    """The PolyLoss family: ``q^gamma * (-log P_t or its first N terms) + sum_j e_j q^(j+gamma)``.

    Args:
        epsilon: e_1 .. e_N, one finite number or a sequence of them; added to the coefficient 1/j
            of q^j (Poly-1, Poly-N; eqs. 5 and 6 of Leng et al. 2022).
        terms: keep only the first N >= 1 terms of cross-entropy's series ("Drop"); None keeps all.
            The epsilon terms are added after the truncation.
        gamma: focal exponent >= 0; shifts every power of q by gamma.

    Raises:
        TypeError, ValueError: naming the argument, its value and what is allowed.
    """

    epsilon: tuple[float, ...] = ()
    terms: int | None = None
    gamma: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", _checked_epsilon(self.epsilon))
        object.__setattr__(self, "gamma", _checked_gamma(self.gamma))
        _check_terms(self.terms)

    @property
    def is_cross_entropy(self) -> bool:
        return self.terms is None and self.gamma == 0 and not any(self.epsilon)

    def base(self, log_p: Tensor) -> Tensor:
        if self.terms is None:
            return -log_p
        coefficients = [1 / j for j in range(1, self.terms + 1)]
        return evaluate_polynomial(-torch.expm1(log_p), coefficients)

    def modulation(self, q: Tensor) -> Tensor | float:
        if self.gamma == 0:
            return 1.0
        # The floor keeps q^gamma differentiable twice at q = 0 for gamma < 1 (no 0 * inf).
        return q.clamp(min=torch.finfo(q.dtype).tiny ** 0.5) ** self.gamma

    def polynomial(self, q: Tensor) -> Tensor | float:
        if not any(self.epsilon):
            return 0.0
        return self.modulation(q) * evaluate_polynomial(q, self.epsilon)

    def leading_weight(self, log_pt: Tensor) -> Tensor:
        """The part of ``gradient_weight`` that comes from the leading term alpha_1 q^(1+gamma).

        It is ``(1 + gamma) alpha_1 P_t q^gamma``; for cross-entropy, P_t.
        """
        q = -torch.expm1(log_pt)
        leading = self.coefficients(1)[0]
        return (1 + self.gamma) * leading * torch.exp(log_pt) * self.modulation(q)

    def coefficients(self, count: int) -> list[float]:
        """alpha_1 .. alpha_count, alpha_j being the coefficient of q^(j + gamma)."""
        kept = count if self.terms is None else self.terms
        base = [1 / j if j <= kept else 0.0 for j in range(1, count + 1)]
        added = self.epsilon[:count] + (0.0,) * (count - len(self.epsilon))
        return [first + second for first, second in zip(base, added, strict=True)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _checked_epsilon(epsilon: object) -> tuple[float, ...]:
    values = (epsilon,) if _is_number(epsilon) else epsilon
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise TypeError(f"epsilon must be a number or a sequence of numbers, got {epsilon!r}")
    for j, value in enumerate(values, start=1):
        if not _is_number(value):
            raise TypeError(f"epsilon must hold numbers, got {value!r} as e_{j}")
        if not math.isfinite(value):
            raise ValueError(f"epsilon must be finite, got {value!r} as e_{j}")
        if value < -1 / j:
            warnings.warn(
                f"epsilon e_{j} = {value!r} is below -1/{j}: the coefficient of q^{j} becomes "
                "negative, so the loss need not fall as P_t grows",
                UserWarning,
                stacklevel=4,
            )
    return tuple(float(value) for value in values)


def _checked_gamma(gamma: object) -> float:
    if not _is_number(gamma):
        raise TypeError(f"gamma must be a number >= 0, got {gamma!r}")
    if not (math.isfinite(gamma) and gamma >= 0):
        raise ValueError(f"gamma must be finite and >= 0, got {gamma!r}")
    return float(gamma)


def _check_terms(terms: object) -> None:
    if terms is None:
        return
    if isinstance(terms, bool) or not isinstance(terms, int):
        raise TypeError(f"terms must be None or an integer >= 1, got {terms!r}")
    if terms < 1:
        raise ValueError(f"terms must be None or an integer >= 1, got {terms!r}")
