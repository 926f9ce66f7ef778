"""Arguments of the registered losses: which series, which reduction."""

from collections.abc import Mapping, Sequence

from mmdet.registry import MODELS

from polyrepro.losses import PolySeries, Series

REDUCTIONS = ("none", "mean", "sum")


def chosen_reduction(reduction: str, override: str | None) -> str:
    """The reduction of this call.

    Raises:
        ValueError: naming the choices.
    """
    if override is None:
        return reduction
    if override not in REDUCTIONS:
        raise ValueError(
            f"reduction_override must be None or one of {REDUCTIONS}, got {override!r}"
        )
    return override


def chosen_series(
    series: Series | Mapping | None,
    epsilon: float | Sequence[float],
    terms: int | None,
    gamma: float = 0.0,
) -> Series:
    """The given series, or the :class:`PolySeries` of the numbers.

    Args:
        series: a series; or its configuration, ``dict(type="MySeries", ...)`` of a class registered
            with ``@MODELS.register_module()``; or None.

    Raises:
        TypeError: if it is, or builds, something else.
        ValueError: if numbers are given as well.
    """
    if series is None:
        return PolySeries(epsilon, terms, gamma)
    if isinstance(series, Mapping):
        series = MODELS.build(dict(series))
    if not isinstance(series, Series):
        raise TypeError(
            "series must be a polyrepro.losses.Series or the configuration of one, "
            f"got {type(series).__name__}"
        )
    if epsilon not in ((), []) or terms is not None:
        raise ValueError(
            f"series={series!r} says what the loss is; leave out epsilon={epsilon!r} and "
            f"terms={terms!r}"
        )
    return series
