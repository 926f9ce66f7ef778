"""Poly losses in any detector, without a change of its configuration."""

from collections.abc import Mapping, Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from polyrepro.detection.heads import classification_losses
from polyrepro.detection.lidar.packed_annotations import require_packed_annotations
from polyrepro.detection.loss_calls import CallRecord, require_reachable
from polyrepro.detection.losses.arguments import chosen_series
from polyrepro.detection.replacement import poly_loss_for
from polyrepro.losses import PolySeries, Series

PAPER_EPSILON = (-1.0,)
"""What the paper uses in box heads."""


def replace_losses(
    model: nn.Module,
    epsilon: float | Sequence[float] = (),
    heads: str | Sequence[str] | None = None,
    *,
    series: Series | Mapping | None = None,
) -> list[str]:
    """Put Poly losses in the place of a detector's classification losses.

    All or none is replaced. The losses have no parameters, so checkpoints stay interchangeable.

    Args:
        model: a built detector; changed in place.
        epsilon: e_1 .. e_N, added to what the head's loss is: cross-entropy or the focal loss.
        heads: as in :func:`polyrepro.detection.heads.classification_losses`.
        series: any :class:`polyrepro.losses.Series` instead, or its configuration,
            ``dict(type="MySeries", ...)``; gamma of a focal loss is then the series' own matter.

    Returns:
        One sentence per replaced loss.

    Raises:
        TypeError, ValueError: for an epsilon or a series that is none, and for both at once.
        DetectionError: if there is no loss to replace, or one that cannot be replaced, or that the
            head never calls.
    """
    series = None if series is None else chosen_series(series, epsilon, None)
    places = classification_losses(model, heads)
    replacements = []
    for place in places:
        require_reachable(model, place)
        replacements.append(poly_loss_for(place.loss, place.path, epsilon, series))
    sentences = []
    for place, replacement in zip(places, replacements, strict=True):
        sentences.append(f"{place.path}: {type(place.loss).__name__} is now {replacement}")
        place.put(replacement)
    return sentences


class PolyLossHook(Hook):
    """Trains with Poly losses: ``custom_hooks=[dict(type="PolyLossHook", epsilon=-1.0)]``.

    Args:
        epsilon: e_1 .. e_N; by default -1, unless a series is given.
        heads: None for the box head of a two-stage detector or the dense head of a one-stage one;
            otherwise names as in :func:`polyrepro.detection.heads.classification_losses`.
        series: any other loss instead of epsilon, as for :func:`replace_losses`.

    Raises:
        TypeError, ValueError: for an epsilon or a series that is none, when the hook is built.
        DetectionError: before training, if nothing can be replaced, if all heads whose loss was
            are frozen, or if the samples carry no boxes; after the first iteration, if a head has
            not called its loss.
    """

    priority = "VERY_HIGH"

    def __init__(
        self,
        epsilon: float | Sequence[float] = PAPER_EPSILON,
        heads: str | Sequence[str] | None = None,
        *,
        series: Series | Mapping | None = None,
    ) -> None:
        if series is not None:
            series = chosen_series(series, () if epsilon is PAPER_EPSILON else epsilon, None)
            epsilon = ()
        self.epsilon, self.series = PolySeries(epsilon).epsilon, series
        self.heads = heads
        self._calls: CallRecord | None = None

    def before_run(self, runner: Runner) -> None:
        # Before the model is compiled and before anything is loaded or trained.
        sentences = replace_losses(runner.model, self.epsilon, self.heads, series=self.series)
        for sentence in sentences:
            runner.logger.info(f"PolyLossHook: {sentence}")

    def before_train(self, runner: Runner) -> None:
        require_packed_annotations(runner.cfg)
        self._calls = CallRecord(classification_losses(runner.model, self.heads))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None
    ) -> None:
        self._calls.require_calls(data_batch)

    def after_train(self, runner: Runner) -> None:
        self._calls.stop()
