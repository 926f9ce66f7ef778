"""The losses of runs, built and checked before anything is trained."""

from collections.abc import Mapping

from polyrepro.errors import PolyreproError
from polyrepro.variants import Loss


class LossError(PolyreproError):
    """A loss that cannot be built, or that computes nonsense; the text says why."""


def check_losses(losses: Mapping[str, Loss]) -> None:
    """Build each loss once and check its values and derivatives.

    Args:
        losses: by what messages call them: the id of a run, or a variant of a study.

    Raises:
        LossError: naming the first that fails, what is wrong and how to mend it.
    """
    from polyrepro.losses import check_series

    checked: list[Loss] = []
    for name, loss in losses.items():
        if loss in checked:
            continue
        try:
            check_series(loss.build())
        except (TypeError, ValueError) as error:
            raise LossError(f"the loss of {name} cannot be trained: {error}") from None
        checked.append(loss)
