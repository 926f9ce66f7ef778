"""Poly cross-entropy for MMDetection: softmax heads, sigmoid heads and mask heads."""

from collections.abc import Mapping, Sequence

import torch
from mmdet.models.losses.utils import weight_reduce_loss
from torch import Tensor, nn
from torch.nn import functional

from polyrepro.detection.losses.arguments import chosen_reduction, chosen_series
from polyrepro.detection.losses.sigmoid_variants import loss_from_logits
from polyrepro.detection.losses.targets import NO_INDEX, sigmoid_labels
from polyrepro.losses import (
    Series,
    SeriesCrossEntropyLoss,
    series_binary_cross_entropy,
    series_cross_entropy,
)


def softmax_losses(
    logits: Tensor, label: Tensor, series: Series, class_weight: Tensor | None, ignore: int
) -> Tensor:
    """One loss per sample, (samples, d1, ...), for logits (samples, classes, d1, ...)."""
    return series_cross_entropy(
        logits, label, series, weight=class_weight, ignore_index=ignore, reduction="none"
    )


def sigmoid_losses(
    logits: Tensor, labels: Tensor, series: Series, class_weight: Tensor | None
) -> Tensor:
    """One loss per element; ``class_weight`` (classes,) weighs the labels of 1, as in torch."""
    if class_weight is None:
        return series_binary_cross_entropy(logits, labels, series, reduction="none")
    if series.is_cross_entropy:
        return functional.binary_cross_entropy_with_logits(
            logits, labels.to(logits.dtype), pos_weight=class_weight, reduction="none"
        )
    return loss_from_logits(logits, labels, series, class_weight)


def mask_loss(
    logits: Tensor, target: Tensor, index: Tensor, series: Series, weight: Tensor | None
) -> Tensor:
    """The mean over all pixels of the mask of each object's own class, shape (1,).

    Args:
        logits: (objects, classes, height, width). target: (objects, height, width) in [0, 1].
        index: (objects,), the class of each object, 0 for class-agnostic masks.
        weight: None, or of a shape that can be broadcast to the target's.
    """
    own = logits[torch.arange(len(logits), device=logits.device), index]
    return series_binary_cross_entropy(
        own, target.to(own.dtype), series, weight=weight, reduction="mean"
    )[None]


class PolyCrossEntropyLoss(nn.Module):
    """MMDetection's ``CrossEntropyLoss`` with the polynomial of PolyLoss added.

    With ``epsilon=0`` it is the stock loss. Equation and arguments of the series are those of
    :func:`polyrepro.losses.poly_cross_entropy`, or of ``poly_binary_cross_entropy`` with
    ``use_sigmoid`` or ``use_mask``. Weights multiply the whole loss, the polynomial included.

    Args:
        use_sigmoid: one binary problem per class. Anchor heads read this key.
        use_mask: the loss of mask heads; mean only, and without ignore_index.
        reduction: ``none``, ``mean`` or ``sum``.
        class_weight: one weight per class (with softmax also for background); with use_sigmoid it
            weighs the labels of 1.
        ignore_index: label that does not count; None for -100.
        loss_weight: multiplies the result.
        avg_non_ignore: divide by the number of labels that are not ignored, if the caller gives
            no avg_factor.
        epsilon: e_1 .. e_N, one number for Poly-1. The paper uses -1 in box heads.
        terms: truncate cross-entropy's series after so many terms; None for none.
        series: any other :class:`polyrepro.losses.Series` instead of epsilon and terms, or its
            configuration.

    Raises:
        TypeError, ValueError: naming the argument, its value and what is allowed.
    """

    # Bounding box heads look these up: no channels, scores or accuracy of the loss's own.
    custom_cls_channels = False
    custom_activation = False
    custom_accuracy = False

    def __init__(
        self,
        use_sigmoid: bool = False,
        use_mask: bool = False,
        reduction: str = "mean",
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        loss_weight: float = 1.0,
        avg_non_ignore: bool = False,
        *,
        epsilon: float | Sequence[float] = (),
        terms: int | None = None,
        series: Series | Mapping | None = None,
    ) -> None:
        super().__init__()
        if use_sigmoid and use_mask:
            raise ValueError("use_sigmoid and use_mask exclude each other; set one of them")
        self.use_sigmoid = use_sigmoid
        self.use_mask = use_mask
        self.reduction = reduction
        self.class_weight = class_weight
        self.ignore_index = ignore_index
        self.loss_weight = loss_weight
        self.avg_non_ignore = avg_non_ignore
        self.series = chosen_series(series, epsilon, terms)
        # Checks the reduction, too.
        SeriesCrossEntropyLoss(self.series, reduction=reduction)

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = None,
    ) -> Tensor:
        """The loss.

        Args:
            cls_score: logits (samples, classes), or more dimensions, or those of masks.
            label: class indices (samples,), background = number of foreground classes; or labels
                in [0, 1] of the logits' shape; with use_mask the masks.
            weight: per sample, or with use_sigmoid also per element; with use_mask the class of
                each object.
            avg_factor: number to divide the sum by.
            reduction_override, ignore_index: instead of the module's.
        """
        reduction = chosen_reduction(self.reduction, reduction_override)
        ignore = self.ignore_index if ignore_index is None else ignore_index
        class_weight = None
        if self.class_weight is not None:
            class_weight = cls_score.new_tensor(self.class_weight)
        if self.use_mask:
            _check_mask_arguments(ignore, reduction, avg_factor)
            loss = mask_loss(cls_score, label, weight, self.series, class_weight)
            return self.loss_weight * loss
        ignore = NO_INDEX if ignore is None else ignore
        if self.use_sigmoid:
            labels, weight, counts = sigmoid_labels(cls_score, label, weight, ignore)
            losses = sigmoid_losses(cls_score, labels, self.series, class_weight)
        else:
            counts = label != ignore
            losses = softmax_losses(cls_score, label, self.series, class_weight, ignore)
        if avg_factor is None and self.avg_non_ignore and reduction == "mean":
            avg_factor = counts.sum().item()
        weight = None if weight is None else weight.float()
        return self.loss_weight * weight_reduce_loss(losses, weight, reduction, avg_factor)

    def extra_repr(self) -> str:
        kind = "sigmoid" if self.use_sigmoid else "mask" if self.use_mask else "softmax"
        return f"{kind}, {self.series!r}, loss_weight={self.loss_weight}"


def _check_mask_arguments(ignore: int | None, reduction: str, avg_factor: float | None) -> None:
    if ignore is not None or reduction != "mean" or avg_factor is not None:
        raise ValueError(
            "with use_mask the loss is a mean over all pixels: ignore_index and avg_factor must be "
            f"None and the reduction 'mean', got {ignore!r}, {avg_factor!r} and {reduction!r}"
        )
