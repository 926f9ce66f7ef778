"""Poly focal loss for MMDetection's dense heads."""

from collections.abc import Mapping, Sequence

import torch
from mmdet.models.losses.utils import weight_reduce_loss
from torch import Tensor, nn

from polyrepro.detection.losses.arguments import chosen_reduction, chosen_series
from polyrepro.detection.losses.sigmoid_variants import loss_from_probabilities
from polyrepro.detection.losses.targets import element_weight, one_hot_labels
from polyrepro.losses import Series, SeriesBinaryCrossEntropyLoss, series_binary_cross_entropy


def focal_losses(
    pred: Tensor, target: Tensor, series: Series, alpha: float | None, activated: bool
) -> Tensor:
    """One loss per element, the shape of ``pred``.

    Args:
        pred: logits (samples, classes), or probabilities if ``activated``.
        target: class indices (samples,) with background = classes, or labels in [0, 1] of the
            shape of ``pred``.
    """
    labels = target.to(torch.float32)
    if pred.dim() != target.dim():
        labels = one_hot_labels(target, pred.shape[1])
    if activated:
        return loss_from_probabilities(pred, labels, series, alpha)
    return series_binary_cross_entropy(pred, labels, series, alpha=alpha, reduction="none")


class PolyFocalLoss(nn.Module):
    """MMDetection's ``FocalLoss`` with the polynomial of PolyLoss added.

    With ``epsilon=0`` it is the stock loss (Lin et al., ICCV 2017). Poly-1 adds
    ``e_1 (1 - P_t)^(gamma + 1)`` to each element, and **alpha weighs that too**; implementations
    that leave it unweighted mean something else by the same epsilon.

    Args:
        use_sigmoid: must be True, as in the stock loss. Anchor heads read this key.
        gamma: focal exponent >= 0; without effect if a series is given.
        alpha: weight of the positives in [0, 1], the negatives have 1 - alpha; None for none.
        reduction: ``none``, ``mean`` or ``sum``.
        loss_weight: multiplies the result.
        activated: the predictions are probabilities, not logits.
        epsilon, terms, series: as in :class:`PolyCrossEntropyLoss`.

    Raises:
        TypeError, ValueError: naming the argument, its value and what is allowed.
    """

    custom_cls_channels = False
    custom_activation = False
    custom_accuracy = False

    def __init__(
        self,
        use_sigmoid: bool = True,
        gamma: float = 2.0,
        alpha: float | None = 0.25,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        activated: bool = False,
        *,
        epsilon: float | Sequence[float] = (),
        terms: int | None = None,
        series: Series | Mapping | None = None,
    ) -> None:
        super().__init__()
        if use_sigmoid is not True:
            raise ValueError("PolyFocalLoss exists in the sigmoid form only: use_sigmoid=True")
        self.use_sigmoid = use_sigmoid
        self.gamma = gamma
        self.alpha = alpha
        self.reduction = reduction
        self.loss_weight = loss_weight
        self.activated = activated
        self.series = chosen_series(series, epsilon, terms, gamma)
        # Checks alpha and the reduction, too.
        SeriesBinaryCrossEntropyLoss(self.series, alpha=alpha, reduction=reduction)

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss.

        Args:
            pred, target: as in :func:`focal_losses`.
            weight: (samples,), (samples, classes) or (samples * classes,).
            avg_factor: number to divide the sum by; detectors give that of the positives.
            reduction_override: instead of the module's reduction.
        """
        reduction = chosen_reduction(self.reduction, reduction_override)
        losses = focal_losses(pred, target, self.series, self.alpha, self.activated)
        if weight is not None:
            weight = element_weight(weight, losses)
        return self.loss_weight * weight_reduce_loss(losses, weight, reduction, avg_factor)

    def extra_repr(self) -> str:
        return f"{self.series!r}, alpha={self.alpha}, loss_weight={self.loss_weight}"
