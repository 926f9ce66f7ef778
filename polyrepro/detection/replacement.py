"""The Poly loss that takes the place of a loss of MMDetection, and what a loss computes."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmdet.models.losses import CrossEntropyLoss, FocalLoss
from torch import nn

from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.losses import PolyCrossEntropyLoss, PolyFocalLoss
from polyrepro.losses import PolySeries, Series

CROSS_ENTROPY_SETTINGS = (
    "use_sigmoid",
    "use_mask",
    "reduction",
    "class_weight",
    "ignore_index",
    "loss_weight",
    "avg_non_ignore",
)
FOCAL_SETTINGS = ("use_sigmoid", "gamma", "alpha", "reduction", "loss_weight", "activated")
REPLACEABLE = (CrossEntropyLoss, FocalLoss, PolyCrossEntropyLoss, PolyFocalLoss)


def poly_loss_for(
    loss: nn.Module,
    path: str,
    epsilon: float | Sequence[float] = (),
    series: Series | None = None,
) -> nn.Module:
    """The Poly loss with the settings of ``loss`` and the given epsilon, or of the given series.

    Kept are weights, kind (softmax, sigmoid, mask), reduction, ignored label and alpha; without a
    series also gamma and, of a Poly loss, the truncation.

    Args:
        loss: one of ``REPLACEABLE``; subclasses may compute anything and are not accepted.
        path: name of the loss in the model, for the error.
        series: what the loss computes, instead of ``epsilon``.

    Raises:
        DetectionError: naming the loss that has no Poly counterpart.
    """
    _require_replaceable(loss, path)
    own = getattr(loss, "series", PolySeries())
    if series is not None:
        chosen = {"series": series, "epsilon": epsilon}
    elif isinstance(own, PolySeries):
        chosen = {"terms": own.terms, "epsilon": epsilon}
    else:
        raise DetectionError(
            f"{path} computes {own!r}, which has no epsilon; leave out PolyLossHook, give it a "
            "series=, or name other heads="
        )
    if isinstance(loss, CrossEntropyLoss | PolyCrossEntropyLoss):
        settings = {name: getattr(loss, name) for name in CROSS_ENTROPY_SETTINGS}
        replacement = PolyCrossEntropyLoss(**settings, **chosen)
    else:
        settings = {name: getattr(loss, name) for name in FOCAL_SETTINGS}
        replacement = PolyFocalLoss(**settings, **chosen)
    return replacement.train(loss.training)


@dataclass(frozen=True)
class LossKind:
    """What a loss computes: its series in 1 - P_t, and on which probabilities."""

    series: Series
    sigmoid: bool
    ignore_index: int | None = None


def kind_of(loss: nn.Module, path: str) -> LossKind:
    """The kind of a loss that could be replaced, stock or Poly.

    Raises:
        DetectionError: for any other loss, for mask losses, and for probabilities as predictions.
    """
    _require_replaceable(loss, path)
    if getattr(loss, "use_mask", False) or getattr(loss, "activated", False):
        raise DetectionError(
            f"{path} is a loss of masks or of probabilities; P_t is recorded for classification "
            "losses on logits only: name other heads="
        )
    series = getattr(loss, "series", None) or PolySeries(gamma=getattr(loss, "gamma", 0.0))
    return LossKind(series, loss.use_sigmoid, getattr(loss, "ignore_index", None))


def _require_replaceable(loss: nn.Module, path: str) -> None:
    if type(loss) in REPLACEABLE:
        return
    known = ", ".join(sorted(entry.__name__ for entry in REPLACEABLE))
    why = " (its labels are heat maps, so that there is no P_t)" if _has_heat_maps(loss) else ""
    raise DetectionError(
        f"{path} is a {type(loss).__module__}.{type(loss).__qualname__}, which has no Poly "
        f"counterpart{why}; known are {known}. Give another loss to that head, or name other heads="
    )


def _has_heat_maps(loss: nn.Module) -> bool:
    """CenterPoint's and CenterNet's loss; background near an object counts less by distance."""
    return type(loss).__name__ == "GaussianFocalLoss"
