"""Log-cosh by Newton boosting: it has a second derivative, which is flat far from the targets."""

from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure

from polyrepro.atlas.boosted import SEEDS, newton_boosted
from polyrepro.atlas.drawing import (
    BLUE,
    DASHED,
    GREEN,
    GREY,
    INK,
    legend_inside,
    wide_figure,
)
from polyrepro.atlas.noisy_sinc import GRID, HIGH_IMPULSES, SAMPLES, noisy_sinc, sinc
from polyrepro.atlas.regression_losses import LogCosh, RegressionLoss, SquaredError
from polyrepro.atlas.statements import ADDED, SURVEY, Finding, finding, finding_above, states

PENALTY = 1.0
"""On the leaves of both losses, so that no step is taken on a Hessian of almost 0."""
LEAST_HESSIAN = 1e-3
"""LightGBM's `min_sum_hessian_in_leaf`: a leaf with less is not made."""
DISTANCES = tuple(float(distance) for distance in range(11))


@cache
def leaves(loss: RegressionLoss, distance: float) -> int:
    """Leaves of the first tree where the targets lie so far from the start of boosting."""
    inputs, targets = noisy_sinc(HIGH_IMPULSES, seed=0, offset=distance)
    model = newton_boosted(loss, inputs, np.minimum(targets, distance + 2))
    return model.dump_model()["tree_info"][0]["num_leaves"]


@cache
def errors(loss: RegressionLoss, penalty: float) -> np.ndarray:
    """Distance of the fit to the true function, one value per seed; from a start at the median."""
    distances = []
    for seed in SEEDS:
        inputs, targets = noisy_sinc(HIGH_IMPULSES, seed)
        start = float(np.median(targets))
        fit = start + newton_boosted(loss, inputs, targets, start, penalty).predict(GRID)
        distances.append(np.sqrt(np.mean((fit - sinc(GRID)) ** 2)))
    return np.array(distances)


@states("Log-cosh can be boosted with second derivatives and is robust to wild targets.", SURVEY)
def log_cosh_is_robust_under_newton_boosting() -> Finding:
    squared, log_cosh = (errors(loss, PENALTY) for loss in (SquaredError(), LogCosh()))
    text = f"LightGBM, impulses of 5: error {log_cosh.mean():.3f} against {squared.mean():.3f} of "
    return finding_above(squared - log_cosh, 0, f"{text}squared loss; difference")


@states("Where log-cosh is flat, Newton's step overshoots.", ADDED)
def newton_step_overshoots_far_away() -> Finding:
    """The step is gradient / Hessian = sinh r cosh r, of which r would be enough."""
    residual = torch.tensor([0.5, 2.0, 5.0], dtype=torch.float64)
    steps = LogCosh().gradient(residual).abs() / LogCosh().second_derivative(residual)
    numbers = ", ".join(f"{s:.1f} for {r:g}" for s, r in zip(steps, residual, strict=True))
    return finding(float(steps[2]) > 1000, f"steps for residuals: {numbers}")


@states("For large errors the gradient and the Hessian of log-cosh are constant.", SURVEY)
def derivatives_of_log_cosh_are_constant_far_away() -> Finding:
    far = torch.tensor([10.0, 20.0], dtype=torch.float64)
    gradients, hessians = LogCosh().gradient(far), LogCosh().second_derivative(far)
    holds = float(gradients.diff().abs()) < 1e-8 and float(hessians.max()) < 1e-8
    numbers = f"gradient {gradients[0]:.9f} and {gradients[1]:g}, Hessian {hessians[0]:.1e} and "
    text = f"residuals 10 and 20: {numbers}{hessians[1]:.1e}"
    return finding(holds, f"{text}; the constant Hessian is 0")


@states("Far from the targets the flat Hessian of log-cosh stops all splits.", SURVEY)
def flat_hessian_stops_splits() -> Finding:
    counts = {loss: [leaves(loss, distance) for distance in DISTANCES] for loss in LOSSES}
    log_cosh, squared = counts[LOSSES[0]], counts[LOSSES[1]]
    first = next(d for d, n in zip(DISTANCES, log_cosh, strict=True) if n == 1)
    text = f"leaves of the first tree at distances 0 to 10: log-cosh {_list(log_cosh)}; squared "
    text += f"{_list(squared)}; none splits from distance {first:g} on"
    return finding(log_cosh[-1] == 1 and min(squared) > 1, text)


@states(
    "The distance that stops splits follows from the least sum of the Hessian in a leaf.", ADDED
)
def splits_stop_where_the_hessian_is_below_the_limit() -> Finding:
    """All n samples together have about n 4 exp(-2 d), of which two leaves need the limit each."""
    expected = 0.5 * np.log(4 * SAMPLES / (2 * LEAST_HESSIAN))
    stopped = next(d for d in DISTANCES if leaves(LogCosh(), d) == 1)
    text = f"{SAMPLES} samples fall below {LEAST_HESSIAN:g} for each of two leaves at distance "
    holds = abs(stopped - expected) < 1.5
    return finding(holds, f"{text}{expected:.1f}; LightGBM stops at {stopped:g} on whole numbers")


@states("A start at the median of the targets restores the splits.", ADDED)
def start_at_the_median_mends_it() -> Finding:
    inputs, targets = noisy_sinc(HIGH_IMPULSES, seed=0, offset=20.0)
    errors = [
        np.median(
            np.abs(
                targets - start - newton_boosted(LogCosh(), inputs, targets, start).predict(inputs)
            )
        )
        for start in (0.0, float(np.median(targets)))
    ]
    text = "median absolute error at distance 20: {:.2f} from a start at 0, {:.2f} from the median"
    return finding(errors[0] > 10 and errors[1] < 0.3, text.format(*errors))


LOSSES = (LogCosh(), SquaredError())


def figure() -> Figure:
    """Derivatives of log-cosh, and the leaves of the first tree against the distance."""
    drawing, (derivatives, trees) = wide_figure(2.2, ncols=2)
    error = torch.linspace(-6, 6, 601, dtype=torch.float64)
    loss = LogCosh()
    derivatives.plot(error, loss.gradient(-error), color=BLUE, label="gradient")
    derivatives.plot(
        error, loss.second_derivative(-error), color=GREEN, linestyle=DASHED, label="Hessian"
    )
    derivatives.set(xlabel="prediction − target", ylabel="derivative of log-cosh", xlim=(-6, 6))
    legend_inside(derivatives, loc="upper left")
    looks = {"markersize": 6, "markerfacecolor": "white", "marker": "s", "color": INK}
    for each, label, look in zip(
        LOSSES,
        ("log-cosh", "squared"),
        ({"marker": "o", "color": GREEN, "zorder": 3}, looks),
        strict=True,
    ):
        trees.plot(DISTANCES, [leaves(each, d) for d in DISTANCES], label=label, **look)
    trees.axhline(1, color=GREY, linewidth=0.8, linestyle=DASHED)
    trees.text(0.1, 1.15, "no split", fontsize=6.5, color=GREY)
    trees.set(xlabel="distance from start to targets", ylabel="leaves of the first tree")
    trees.set(xlim=(-0.3, 10.3), ylim=(0, 9))
    legend_inside(trees, loc="lower right", bbox_to_anchor=(1, 0.2))
    return drawing


def _list(counts: list[int]) -> str:
    return " ".join(map(str, counts))
