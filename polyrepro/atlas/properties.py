"""The table of properties of the regression losses: as stated, and as measured on the functions."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from polyrepro.atlas.regression_losses import REGRESSION_LOSSES, RegressionLoss

FAR = 1e6
"""A residual that stands for infinity."""
SAMPLE = np.sort(np.random.default_rng(0).lognormal(size=1001))
"""Targets whose mean, median and quantiles all differ."""


@dataclass(frozen=True)
class Properties:
    """A row of the table.

    Attributes:
        range: of the values.
        differentiable: how often: "no", "once", "twice" (or more).
        outlier: what becomes of the gradient as a residual grows.
        minimiser: the constant prediction of least mean loss.
        signs_cancel: whether residuals r and -r add up to no loss at all.
    """

    range: str
    convex: bool
    differentiable: str
    outlier: str
    minimiser: str
    signs_cancel: bool


NOT_NEGATIVE = "0 to infinity"
STATED = {
    "squared": Properties(NOT_NEGATIVE, True, "twice", "grows", "mean", False),
    "absolute": Properties(NOT_NEGATIVE, True, "no", "at most 1", "median", False),
    "mean bias": Properties("all numbers", True, "twice", "at most 1", "none", True),
    "Huber, δ = 1": Properties(
        NOT_NEGATIVE, True, "once", "at most 1", "between median and mean", False
    ),
    "log-cosh": Properties(
        NOT_NEGATIVE, True, "twice", "at most 1", "between median and mean", False
    ),
    "quantile 0.9": Properties(NOT_NEGATIVE, True, "no", "at most 0.9", "quantile 0.9", False),
}


def measure(loss: RegressionLoss) -> Properties:
    """The row that the function itself gives."""
    return Properties(
        range=_range(loss),
        convex=_is_convex(loss),
        differentiable=_differentiable(loss),
        outlier=_outlier(loss),
        minimiser=_minimiser(loss),
        signs_cancel=_signs_cancel(loss),
    )


def properties_table() -> pd.DataFrame:
    """The measured table, one row per loss, with the column `as_stated`."""
    rows = []
    for name, loss in REGRESSION_LOSSES.items():
        measured = measure(loss)
        rows.append({"loss": name, **asdict(measured), "as_stated": measured == STATED[name]})
    return pd.DataFrame(rows)


def best_constant(loss: RegressionLoss, targets: np.ndarray) -> float:
    """The constant prediction of least mean loss, searched between the smallest and largest target.

    Args:
        targets: `(samples,)`, any finite numbers.
    """
    tensor = torch.as_tensor(targets, dtype=torch.float64)
    return float(
        minimize_scalar(
            lambda constant: float(loss.value(tensor - constant).mean()),
            bounds=(float(targets.min()), float(targets.max())),
            method="bounded",
            options={"xatol": 1e-10},
        ).x
    )


def _grid() -> Tensor:
    """Residuals that include 0 and the whole numbers, where kinks are."""
    return torch.arange(-400, 401, dtype=torch.float64) / 100


def _range(loss: RegressionLoss) -> str:
    values = loss.value(torch.cat([_grid(), torch.tensor([-FAR, FAR], dtype=torch.float64)]))
    low, high = float(values.min()), float(values.max())
    if high < FAR / 100:
        return "bounded"
    if low <= -FAR / 100:
        return "all numbers"
    return NOT_NEGATIVE if low == 0 else f"{low:g} to infinity"


def _is_convex(loss: RegressionLoss) -> bool:
    some = _grid()[::5]
    one, other = some[:, None], some[None]
    chord = (loss.value(one) + loss.value(other)) / 2
    return bool((loss.value((one + other) / 2) <= chord + 1e-12).all())


def _differentiable(loss: RegressionLoss) -> str:
    """From jumps of the slope and of the gradient's slope, across steps that become small."""
    if _largest_jump(loss.value) > 1e-3:
        return "no"
    return "once" if _largest_jump(loss.gradient) > 1e-3 else "twice"


def _largest_jump(function) -> float:
    """Largest difference between the difference quotients of the two sides."""
    at, step = _grid(), 1e-5
    right = (function(at + step) - function(at)) / step
    left = (function(at) - function(at - step)) / step
    return float((right - left).abs().max())


def _outlier(loss: RegressionLoss) -> str:
    sizes = loss.gradient(torch.tensor([[-1e3, 1e3], [-FAR, FAR]], dtype=torch.float64)).abs()
    near, far = sizes.amax(1).tolist()
    return "grows" if far > 2 * near else f"at most {far:g}"


def _minimiser(loss: RegressionLoss) -> str:
    best, spread = best_constant(loss, SAMPLE), SAMPLE.max() - SAMPLE.min()
    median, mean = float(np.median(SAMPLE)), float(SAMPLE.mean())
    known = {"mean": mean, "median": median, "none": SAMPLE.max()}
    known |= {f"quantile {q:g}": _order_statistic(q) for q in (0.1, 0.25, 0.75, 0.9)}
    name = min(known, key=lambda name: abs(known[name] - best))
    if abs(known[name] - best) < 1e-6 * spread:
        return name
    return "between median and mean" if median < best < mean else "another"


def _order_statistic(quantile: float) -> float:
    return float(np.quantile(SAMPLE, quantile, method="inverted_cdf"))


def _signs_cancel(loss: RegressionLoss) -> bool:
    return bool((loss.value(_grid()) + loss.value(-_grid()) == 0).all())
