"""A loss as a function of the target's probability: its value and its gradient weight.

Every loss of the PolyLoss family depends on the logits through P_t alone, so its gradient is
cross-entropy's, rescaled per sample::

    dL/dz_i = w(P_t) * (p_i - [i == t]),    w(P_t) = -dL/dlog P_t

A :class:`Series` defines the value; derivatives follow by automatic differentiation. The softmax
form, the sigmoid form, the detectors and the figures all take a Series, so a new loss is written
once, here or anywhere else (see ``docs/losses/adding_a_series.md``).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Series:
    """Cross-entropy; a subclass overrides ``base``, ``modulation`` or ``polynomial``.

    The value is ``modulation(q) * base(-log P_t) + polynomial(q)`` with ``q = 1 - P_t``. The parts
    are separate because soft labels y generalise them differently: the base term becomes its
    expectation ``sum_i y_i base(-log p_i)``, and q becomes ``1 - sum_i y_i p_i``. All methods work
    elementwise on tensors of any shape and must be differentiable torch operations;
    :func:`polyrepro.losses.check_series` finds out whether they are.
    """

    @property
    def is_cross_entropy(self) -> bool:
        """Whether the loss is exactly cross-entropy, so that torch's own function can be called."""
        return False

    def base(self, nll: Tensor) -> Tensor:
        """The main term for one class, from ``nll = -log p``; by default that itself."""
        return self.bounded_base(-torch.expm1(-nll)) if self.has_bounded_base else nll

    def bounded_base(self, q: Tensor) -> Tensor:
        """The main term from ``q = 1 - p`` instead, which is faster, if it is finite at p = 0."""
        raise NotImplementedError

    def modulation(self, q: Tensor) -> Tensor | None:
        """The factor on the base term; by default None, which means 1."""
        return None

    def polynomial(self, q: Tensor) -> Tensor | None:
        """The term that is added to the base term; by default None, which means 0."""
        return None

    @property
    def has_cross_entropy_base(self) -> bool:
        """Whether ``base`` is ``-log p``, whose expectation over soft labels has a fast form."""
        return type(self).base is Series.base and not self.has_bounded_base

    @property
    def has_bounded_base(self) -> bool:
        """Whether the main term is given by ``bounded_base``."""
        return type(self).bounded_base is not Series.bounded_base

    def base_of(self, nll: Tensor, q: Tensor) -> Tensor:
        """The main term from whichever of both it is defined by."""
        return self.bounded_base(q) if self.has_bounded_base else self.base(nll)

    def combine(self, base: Tensor, q: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss from its base term and q.

        ``weight`` is a class weight: it multiplies the polynomial, the base term brings its own.
        """
        modulation, polynomial = self.modulation(q), self.polynomial(q)
        loss = base if modulation is None else modulation * base
        if polynomial is None:
            return loss
        return loss + (polynomial if weight is None else weight * polynomial)

    def value(self, log_pt: Tensor) -> Tensor:
        """The loss f(P_t), from ``log P_t``; accurate also where P_t is next to 1."""
        q = -torch.expm1(log_pt)
        return self.combine(self.base_of(-log_pt, q), q)

    def base_weight(self, nll: Tensor) -> Tensor | float:
        """The derivative of ``base``: the gradient weight of the base term alone."""
        if self.has_bounded_base:
            return self.bounded_base_weight(-torch.expm1(-nll))
        return 1.0 if self.has_cross_entropy_base else derivative(self.base, nll)

    def bounded_base_weight(self, q: Tensor) -> Tensor:
        """The same from q, for a bounded base."""
        return (1 - q) * derivative(self.bounded_base, q)

    def combine_with_derivatives(self, base: Tensor, q: Tensor) -> tuple[Tensor | float, ...]:
        """:meth:`combine`, and its derivatives by the base term and by q.

        A derivative may be a number, the same for all samples.
        """
        by_base = derivative(lambda each: self.combine(each, q), base)
        by_q = derivative(lambda each: self.combine(base, each), q)
        return self.combine(base, q), by_base, by_q

    def gradient_weight(self, log_pt: Tensor) -> Tensor:
        """w(P_t) = -dL/dlog P_t, from ``log P_t``; for cross-entropy 1."""
        q, nll = -torch.expm1(log_pt), -log_pt
        _, by_base, by_q = self.combine_with_derivatives(self.base_of(nll, q), q)
        return by_q * torch.exp(log_pt) + by_base * self.base_weight(nll)

    def leading_weight(self, log_pt: Tensor) -> Tensor:
        """The leading term's part of ``gradient_weight``: ``alpha_1 P_t``, of cross-entropy's 1.

        alpha_1 is the coefficient of 1 - P_t, which is the gradient weight at P_t = 1.
        """
        return self.gradient_weight(torch.zeros_like(log_pt)) * torch.exp(log_pt)

    def for_compilation(self) -> "Series":
        """The series to use inside ``torch.compile``; see :class:`PolySeries`."""
        return self


def derivative(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The derivative of an elementwise function, which can be differentiated again.

    In forward mode, because reverse mode does not work under saved-tensor hooks, which
    checkpointing uses.
    """
    return torch.func.jvp(function, (at,), (torch.ones_like(at),))[1]


class LeadingTerm(NamedTuple):
    """Per sample, float64, in the shape of the probabilities.

    ``share`` is the leading term's share of the gradient, 0 where the gradient vanishes.
    ``leading`` and ``whole`` are the magnitudes of the gradients by the target's logit,
    ``w(P_t) (1 - P_t)``, of the leading term alone and of the whole series.
    """

    share: Tensor
    leading: Tensor
    whole: Tensor


def leading_term(series: Series, log_pt: Tensor) -> LeadingTerm:
    """The leading term's part of the gradient of each sample, from ``log P_t``.

    Per sample both gradients point the same way, so the share is a ratio of gradient weights; for
    cross-entropy it is P_t.

    Below P_t = 1e-13 the share has reached its limit, but not even float64 resolves 1 - P_t from 1,
    so P_t is kept above that. At P_t = 1 a focal factor leaves 0 / 0, and 1 - P_t = 1e-12 is as
    good as that limit.
    """
    log_pt = log_pt.double().clamp(min=-30, max=-1e-12)
    leading, whole = series.leading_weight(log_pt), series.gradient_weight(log_pt)
    q = -torch.expm1(log_pt)
    return LeadingTerm(torch.where(whole == 0, 0, leading / whole), leading * q, whole * q)
