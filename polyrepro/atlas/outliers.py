"""What one outlier does, and how descent ends near a minimum."""

import numpy as np
import torch
from matplotlib.figure import Figure

from polyrepro.atlas.drawing import (
    BLUE,
    DASHED,
    DOTTED,
    GREY,
    INK,
    RED,
    legend_inside,
    wide_figure,
)
from polyrepro.atlas.properties import best_constant
from polyrepro.atlas.regression_losses import (
    REGRESSION_LOSSES,
    AbsoluteError,
    Huber,
    RegressionLoss,
    SquaredError,
)
from polyrepro.atlas.shown import OTHER_TARGETS, OUTLIER, RESIDUALS, STEP, USUAL_SHARE, USUAL_TARGET
from polyrepro.atlas.statements import (
    ADDED,
    LEFT_OUT,
    SURVEY,
    Finding,
    finding,
    states,
    tiny,
)
from polyrepro.losses.checks import check_positive

USUAL = round(100 * USUAL_SHARE)
NINETY_TEN = np.concatenate(
    [np.full(USUAL, USUAL_TARGET), np.linspace(*OTHER_TARGETS, 100 - USUAL)]
)
"""90 % of the targets are 150, the others lie between 0 and 30."""
START, STEPS = 2.03, 200


def errors_with_and_without_outlier() -> dict[str, tuple[float, float]]:
    """Mean absolute and root mean squared error, without and with the outlier."""
    clean = torch.tensor(RESIDUALS, dtype=torch.float64)
    spoilt = torch.cat([clean[:-1], torch.tensor([OUTLIER], dtype=torch.float64)])
    absolute, squared = AbsoluteError(), SquaredError()
    return {
        "MAE": tuple(float(absolute.value(r).mean()) for r in (clean, spoilt)),
        "RMSE": tuple(float(squared.value(r).mean().sqrt()) for r in (clean, spoilt)),
    }


def descend(loss: RegressionLoss, *, step: float = STEP, falling: bool = False) -> np.ndarray:
    """Distances to the target of a prediction under gradient descent, start included.

    Args:
        step: > 0, of the first update.
        falling: divide the step of update k by sqrt(k).
    """
    check_positive("step", step)
    prediction = torch.tensor(START, dtype=torch.float64)
    distances = [abs(float(prediction))]
    for update in range(1, STEPS + 1):
        rate = step / update**0.5 if falling else step
        prediction = prediction - rate * loss.gradient(-prediction)
        distances.append(abs(float(prediction)))
    return np.array(distances)


@states("One outlier raises the root mean squared error more than the mean absolute error.", SURVEY)
def outlier_raises_rmse_more_than_mae() -> Finding:
    errors = errors_with_and_without_outlier()
    factors = {name: after / before for name, (before, after) in errors.items()}
    numbers = ", ".join(
        f"{name} {before:.2f} to {after:.2f} ({factors[name]:.1f} times)"
        for name, (before, after) in errors.items()
    )
    return finding(factors["RMSE"] > factors["MAE"], numbers)


@states(
    "The minimum of the squared error follows an outlier, that of the absolute does not.", SURVEY
)
def outlier_moves_the_mean_and_not_the_median() -> Finding:
    sample = np.linspace(-1, 1, 101)
    spoilt = np.append(sample[:-1], 1000.0)
    moves = [
        best_constant(loss, spoilt) - best_constant(loss, sample)
        for loss in (SquaredError(), AbsoluteError(), Huber(1.0))
    ]
    numbers = "squared {:.2f}, absolute {:.2f}, Huber {:.3f}".format(*np.abs(moves))
    holds = moves[0] > 9 and max(map(abs, moves[1:])) < 0.05
    return finding(holds, f"1 of 101 targets in [-1, 1] moved to 1000; minimum moves: {numbers}")


@states("Where 90 % of the targets are 150, the absolute error predicts 150 for all.", SURVEY)
def absolute_error_ignores_the_ten_percent() -> Finding:
    best = best_constant(AbsoluteError(), NINETY_TEN)
    return finding(abs(best - 150) < 1e-4, f"constant of least absolute error: {best:.2f}")


@states(
    "Where 90 % of the targets are 150, the squared error predicts 0 to 30 as the others are.",
    SURVEY,
)
def squared_error_predicts_the_ten_percent() -> Finding:
    best = best_constant(SquaredError(), NINETY_TEN)
    others = ", ".join(
        f"{name}: {best_constant(loss, NINETY_TEN):.2f}"
        for name, loss in REGRESSION_LOSSES.items()
        if name not in ("squared", "absolute", "mean bias")
    )
    text = f"constant of least squared error: {best:.2f}, pulled but not there ({others})"
    return finding(0 <= best <= 30, text)


@states("The gradient of the absolute error stays large near the minimum.", SURVEY)
def absolute_gradient_is_constant() -> Finding:
    residuals = torch.tensor([1.0, 0.01], dtype=torch.float64)
    gradients = {
        name: loss.gradient(residuals).abs().tolist()
        for name, loss in (("absolute", AbsoluteError()), ("squared", SquaredError()))
    }
    holds = gradients["absolute"] == [1, 1] and gradients["squared"][1] < 0.1
    numbers = ", ".join(f"{name} {far:g} and {near:g}" for name, (far, near) in gradients.items())
    return finding(holds, f"gradients 1 and 0.01 from the minimum: {numbers}")


@states("With a fixed step the absolute error misses the minimum; a falling step mends it.", SURVEY)
def absolute_error_needs_a_falling_step() -> Finding:
    fixed, falling = descend(AbsoluteError()), descend(AbsoluteError(), falling=True)
    ends = [float(course[-10:].max()) for course in (fixed, falling)]
    holds = ends[0] > STEP / 4 and ends[1] < ends[0] / 2
    return finding(holds, f"largest distance in the last 10 of {STEPS} steps: {_ends(ends)}")


@states("Huber's and the squared error reach the minimum with a fixed step.", SURVEY)
def huber_converges_with_a_fixed_step() -> Finding:
    ends = [float(descend(loss)[-10:].max()) for loss in (Huber(1.0), SquaredError())]
    text = f"largest distance in the last 10 of {STEPS} steps: Huber {tiny(ends[0])}"
    return finding(max(ends) < 1e-4, f"{text}, squared {tiny(ends[1])}")


@states("Huber's loss needs a delta that is not small beside the step.", ADDED)
def huber_with_a_small_delta_also_misses() -> Finding:
    end = float(descend(Huber(0.1), step=STEP * 10)[-10:].max())
    close = float(descend(Huber(1.0))[-10:].max())
    text = f"delta 0.1 with step {10 * STEP:g} ends {end:.2g} away, delta 1 with step {STEP:g} "
    return finding(end > 0.01 > close, f"{text}{tiny(close)}")


@states("Squared error where outliers matter, absolute error where they are mistakes.", SURVEY)
def advice_on_outliers() -> Finding:
    return Finding(LEFT_OUT, "advice on what one wants; what each loss predicts is shown above")


def figure() -> Figure:
    """Errors with one outlier, best constants of the 90/10 example, and descent."""
    drawing, (errors, constants, course) = wide_figure(2.5, ncols=3)
    for number, (name, values) in enumerate(errors_with_and_without_outlier().items()):
        colour = (RED, INK)[number]
        bars = errors.bar(np.arange(2) + 0.36 * (number - 0.5), values, 0.34, color=colour)
        bars.set_label(name)
        errors.bar_label(bars, fmt="%.2f", fontsize=6.5, padding=1)
    errors.set_xticks([0, 1], ["without", "with one outlier"])
    errors.set(ylabel="error", ylim=(0, 8))
    errors.grid(axis="x", visible=False)
    legend_inside(errors, loc="upper left")
    _draw_constants(constants)
    _draw_descent(course)
    return drawing


def _draw_constants(axes) -> None:
    shown = [name for name in REGRESSION_LOSSES if name != "mean bias"]
    best = [best_constant(REGRESSION_LOSSES[name], NINETY_TEN) for name in shown]
    rows = np.arange(len(shown))[::-1]
    axes.plot(best, rows, "o", color=BLUE, zorder=3)
    for row, value in zip(rows, best, strict=True):
        axes.annotate(f"{value:.1f}", (value, row), (-5, 0), textcoords="offset points")
        axes.texts[-1].set(ha="right", va="center", fontsize=6.5)
    axes.axvspan(0, 30, color=GREY, alpha=0.2, linewidth=0)
    axes.axvline(150, color=GREY, linewidth=0.8, linestyle=DASHED)
    axes.text(15, 2, "10 % of targets", rotation=90, ha="center", va="center", fontsize=6.5)
    axes.text(148, -0.75, "90 %", ha="right", va="center", fontsize=6.5)
    axes.set_yticks(rows, shown)
    axes.set(xlabel="constant of least mean loss", xlim=(0, 160), ylim=(-1, len(shown) - 0.5))


def _draw_descent(axes) -> None:
    curves = (
        ("absolute, fixed step", descend(AbsoluteError()), RED, "-"),
        ("absolute, falling step", descend(AbsoluteError(), falling=True), RED, DOTTED),
        ("Huber, fixed step", descend(Huber(1.0)), BLUE, "-"),
        ("squared, fixed step", descend(SquaredError()), INK, DASHED),
    )
    for label, distances, colour, line in curves:
        axes.plot(distances, color=colour, linestyle=line, label=label)
    axes.set_yscale("log")
    axes.tick_params(axis="y", labelsize=9)  # exponents have 0.7 times the size
    axes.set(xlabel="step of descent", ylabel="distance to the minimum")
    axes.set(xlim=(0, 60), ylim=(1e-3, 3e2))
    legend_inside(axes, loc="upper right")


def _ends(ends: list[float]) -> str:
    return f"{ends[0]:.2g} with a fixed step, {ends[1]:.2g} with a falling one"
