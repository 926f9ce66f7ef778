"""Poly losses in any detector, without a change of its configuration."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from polyrepro.detection.heads import classification_losses
from polyrepro.detection.replacement import poly_loss_for
from polyrepro.losses import PolySeries


def replace_losses(
    model: nn.Module, epsilon: float | Sequence[float], heads: str | Sequence[str] | None = None
) -> list[str]:
    """Put Poly losses in the place of a detector's classification losses.

    All or none is replaced. The losses have no parameters, so checkpoints stay interchangeable.

    Args:
        model: a built detector; changed in place.
        epsilon: e_1 .. e_N.
        heads: as in :func:`polyrepro.detection.heads.classification_losses`.

    Returns:
        One sentence per replaced loss.

    Raises:
        DetectionError: if there is no loss to replace, or one that cannot be replaced.
    """
    places = classification_losses(model, heads)
    replacements = [poly_loss_for(place.loss, epsilon, place.path) for place in places]
    sentences = []
    for place, replacement in zip(places, replacements, strict=True):
        sentences.append(f"{place.path}: {type(place.loss).__name__} is now {replacement}")
        place.put(replacement)
    return sentences


class PolyLossHook(Hook):
    """Trains with Poly losses: ``custom_hooks=[dict(type="PolyLossHook", epsilon=-1.0)]``.

    Args:
        epsilon: e_1 .. e_N; -1 is what the paper uses in box heads.
        heads: None for the box head of a two-stage detector or the dense head of a one-stage one;
            otherwise names as in :func:`polyrepro.detection.heads.classification_losses`.

    Raises:
        TypeError, ValueError: for an epsilon that is none, when the hook is built.
        DetectionError: before training, if nothing can be replaced.
    """

    priority = "VERY_HIGH"

    def __init__(
        self, epsilon: float | Sequence[float] = -1.0, heads: str | Sequence[str] | None = None
    ) -> None:
        self.epsilon = PolySeries(epsilon).epsilon
        self.heads = heads

    def before_run(self, runner: Runner) -> None:
        # Before the model is compiled and before anything is loaded or trained.
        for sentence in replace_losses(runner.model, self.epsilon, self.heads):
            runner.logger.info(f"PolyLossHook: {sentence}")
