"""A loss as a function of the target's probability: its value and its gradient weight.

Every loss of the PolyLoss family depends on the logits through P_t alone, so its gradient is
cross-entropy's, rescaled per sample::

    dL/dz_i = w(P_t) * (p_i - [i == t]),    w(P_t) = -dL/dlog P_t

A :class:`Series` defines the value; derivatives follow by automatic differentiation. The softmax
form, the sigmoid form, the detectors and the figures all take a Series, so a new loss is written
once, here or anywhere else (see ``docs/losses/adding_a_series.md``).
"""

from collections.abc import Callable

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
        base = self.bounded_base(q) if self.has_bounded_base else self.base(-log_pt)
        return self.combine(base, q)

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
        base = self.bounded_base(q) if self.has_bounded_base else self.base(nll)
        _, by_base, by_q = self.combine_with_derivatives(base, q)
        return by_q * torch.exp(log_pt) + by_base * self.base_weight(nll)

    def leading_weight(self, log_pt: Tensor) -> Tensor:
        """The leading term's part of ``gradient_weight``: ``alpha_1 P_t``, of cross-entropy's 1.

        alpha_1 is the coefficient of 1 - P_t, which is the gradient weight at P_t = 1.
        """
        return self.gradient_weight(torch.zeros_like(log_pt)) * torch.exp(log_pt)

    def for_compilation(self) -> "Series":
        """The series to use inside ``torch.compile``; see :class:`PolySeries`."""
        return self

    def describe(self) -> str:
        """What the ``repr`` of a module says about the series."""
        return repr(self)


def derivative(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The derivative of an elementwise function, which can be differentiated again.

    In forward mode, because reverse mode does not work under saved-tensor hooks, which
    checkpointing uses.
    """
    return torch.func.jvp(function, (at,), (torch.ones_like(at),))[1]
