"""Two gates on cross-entropy that came before PolyLoss: losses that let go of what is learnt.

Source: Su Jianlin, "From hard truncation to softened loss functions: focal loss", 2017 (a blog
essay in Chinese). Both are functions of the target's probability, so as series they work in the
softmax and the sigmoid form alike::

    series_binary_cross_entropy(logits, labels, SoftGate(sharpness=2.0))

The essay's multi-class soft gate depends on all logits and is therefore a function of its own.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses import checks
from polyrepro.losses.polynomial import smallest_base
from polyrepro.losses.reduction import computing_dtype, reduced
from polyrepro.losses.series import Series


@dataclass(frozen=True)
class HardGate(Series):
    """``-log P_t`` where P_t <= threshold, else 0: a sample on the right side costs nothing.

    The threshold is in [0, 1]; 0.5 is "classified correctly" for two classes.
    """

    threshold: float = 0.5

    def __post_init__(self) -> None:
        checks.check_fraction("threshold", self.threshold)

    def modulation(self, q: Tensor) -> Tensor:
        return (q >= 1 - self.threshold).to(q.dtype)


@dataclass(frozen=True)
class SoftGate(Series):
    """``-g log P_t`` with ``g = (1 - P_t)^K / ((1 - P_t)^K + P_t^K)``, K > 0 the sharpness.

    For two classes with logit x, g is ``sigmoid(-K x)`` for positives and ``sigmoid(K x)`` for
    negatives. With K = 1 it is focal loss with gamma = 1; with growing K it tends to
    ``HardGate(0.5)``.
    """

    sharpness: float = 1.0

    def __post_init__(self) -> None:
        checks.check_positive("sharpness", self.sharpness)

    def modulation(self, q: Tensor) -> Tensor:
        # The floor keeps both logarithms, and their derivatives, finite at P_t = 0 and 1.
        floor = smallest_base(q)
        log_odds = torch.log(q.clamp(min=floor)) - torch.log((1 - q).clamp(min=floor))
        return torch.sigmoid(self.sharpness * log_odds)


def soft_gated_cross_entropy(
    input: Tensor,
    target: Tensor,
    sharpness: float = 1.0,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The multi-class soft gate, ``-softmax(-K z)_t log softmax(z)_t``.

    Args:
        input: logits z, ``(C,)``, ``(N, C)`` or ``(N, C, d1, ...)``; half precision is computed in
            float32.
        target: class indices (int64), the shape of input without C.
        sharpness: K > 0.
        ignore_index, reduction: as in ``torch.nn.functional.cross_entropy``.

    Raises:
        TypeError, ValueError: naming the argument, its value and what is allowed.
    """
    checks.check_reduction(reduction)
    checks.check_positive("sharpness", sharpness)
    checks.check_softmax_input(input, target, ignore_index, probabilities=False)
    logits, classes = input.to(computing_dtype(input)), min(input.dim() - 1, 1)
    # Both are 0 for ignored samples.
    nll, negative_gate = (
        functional.nll_loss(values, target, reduction="none", ignore_index=ignore_index)
        for values in (logits.log_softmax(classes), (-sharpness * logits).softmax(classes))
    )
    losses = (0 - negative_gate) * nll
    return reduced(losses, (target != ignore_index).to(losses.dtype), reduction)
