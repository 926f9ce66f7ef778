"""Cross-entropy plus one power of 1 - P_t that need not be a whole number."""

from dataclasses import dataclass

import torch
from torch import Tensor

from polyrepro.losses.checks import LARGEST, check_positive, checked
from polyrepro.losses.polynomial import smallest_base
from polyrepro.losses.series import Series


@dataclass(frozen=True)
class PowerTerm(Series):
    """``-log P_t + e q^j`` with q = 1 - P_t and any real j > 0.

    With j = 1 this is Poly-1. For j below 1 the derivative by P_t is infinite at P_t = 1; below
    q = 1e-19 (in float32) the power is therefore continued by a straight line to 0. The derivative
    by a logit vanishes there for every j.

    Args:
        epsilon: e, the coefficient; finite.
        power: j > 0.
    """

    epsilon: float
    power: float

    def __post_init__(self) -> None:
        checked("epsilon", self.epsilon, "a finite number", lambda x: abs(x) <= LARGEST)
        check_positive("power", self.power)

    @property
    def is_cross_entropy(self) -> bool:
        return self.epsilon == 0

    def polynomial(self, q: Tensor) -> Tensor:
        least = smallest_base(q)
        power = q.clamp(min=least) ** self.power
        return self.epsilon * torch.where(q < least, q * least ** (self.power - 1), power)

    def leading_weight(self, log_pt: Tensor) -> Tensor:
        """The part of the term of first order; a power below 1 is not counted as one."""
        added = self.epsilon if self.power == 1 else 0.0
        return (1 + added) * torch.exp(log_pt)
