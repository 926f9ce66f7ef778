"""How much of a loss's gradient comes from the leading term of its series."""

from typing import NamedTuple

import torch
from torch import Tensor

from polyrepro.losses.series import Series


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
    share = torch.where(whole == 0, 0, leading / whole)
    return LeadingTerm(share, leading * q, whole * q)
