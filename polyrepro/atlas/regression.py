"""Regression losses: their properties and their limits."""

import math
from dataclasses import asdict, fields

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from polyrepro.atlas.drawing import AMBER, BLUE, DASHED, GREEN, GREY, INK, RED, wide_figure
from polyrepro.atlas.properties import (
    SAMPLE,
    STATED,
    Properties,
    best_constant,
    measure,
)
from polyrepro.atlas.regression_losses import (
    REGRESSION_LOSSES,
    AbsoluteError,
    BiasError,
    Huber,
    LogCosh,
    Quantile,
    SquaredError,
)
from polyrepro.atlas.statements import ADDED, LEFT_OUT, SURVEY, Finding, finding, states, tiny
from polyrepro.figures import style

LOOKS = {
    "squared": (INK, "-"),
    "absolute": (RED, "-"),
    "mean bias": (GREY, DASHED),
    "Huber, δ = 1": (BLUE, "-"),
    "log-cosh": (GREEN, DASHED),
    "quantile 0.9": (AMBER, "-"),
}


@states("The properties of the losses are those of the table below.", SURVEY)
def properties_are_as_stated() -> Finding:
    wrong = [
        f"; {key} of {name} differs"
        for name, loss in REGRESSION_LOSSES.items()
        for key, value in asdict(measure(loss)).items()
        if value != getattr(STATED[name], key)
    ]
    count = len(REGRESSION_LOSSES) * len(fields(Properties))
    text = f"{count - len(wrong)} of {count} entries measured equal"
    return finding(not wrong, text + "".join(wrong))


@states(
    "The mean minimises the squared error, the median the absolute error and a quantile the "
    "quantile loss of that quantile.",
    SURVEY,
)
def minimisers_are_mean_median_and_quantiles() -> Finding:
    expected = {
        "mean": (SquaredError(), SAMPLE.mean()),
        "median": (AbsoluteError(), np.median(SAMPLE)),
        **{
            f"quantile {q}": (
                Quantile(q),
                np.quantile(SAMPLE, q, method="inverted_cdf"),
            )
            for q in (0.1, 0.9)
        },
    }
    found = {name: best_constant(loss, SAMPLE) for name, (loss, _) in expected.items()}
    worst = max(abs(found[name] - value) for name, (_, value) in expected.items())
    numbers = ", ".join(f"{name}: {value:.4f}" for name, value in found.items())
    return finding(worst < 1e-5, f"minimised over 1001 skewed targets: {numbers}")


@states("Huber's loss is half the squared error for large delta.", SURVEY)
def huber_becomes_half_the_squared_error() -> Finding:
    residuals = _residuals()
    gap = _largest_gap(Huber(10.0).value(residuals), SquaredError().value(residuals) / 2)
    return finding(gap < 1e-14, f"largest difference for |r| ≤ 10 and delta = 10: {tiny(gap)}")


@states("Huber's loss approaches the absolute error as delta becomes small.", SURVEY)
def huber_becomes_the_absolute_error() -> Finding:
    residuals = _residuals()
    absolute = AbsoluteError().value(residuals)
    gaps = {d: _largest_gap(Huber(d).value(residuals) / d, absolute) for d in (1, 0.1, 0.01)}
    numbers = ", ".join(f"{gap:.3g} at delta {delta:g}" for delta, gap in gaps.items())
    holds = all(gap <= delta / 2 + 1e-14 for delta, gap in gaps.items())
    return finding(holds, f"after division by delta, without which it vanishes: within {numbers}")


@states("Log-cosh is about r²/2 for small residuals and |r| - log 2 for large ones.", SURVEY)
def log_cosh_has_two_limits() -> Finding:
    small, large = torch.tensor([0.1, 10.0], dtype=torch.float64)
    below = float(LogCosh().value(small) / (small**2 / 2) - 1)
    above = float(LogCosh().value(large) - (large - math.log(2)))
    holds = abs(below) < 2e-3 and abs(above) < 1e-8
    return finding(holds, f"relative difference {below:.1e} at 0.1, difference {above:.1e} at 10")


@states("Log-cosh has the advantages of Huber's loss: it is never far from it.", SURVEY)
def log_cosh_is_close_to_huber() -> Finding:
    """The largest difference is reached far away: log 2 - 1/2."""
    residuals = _residuals()
    gap = _largest_gap(LogCosh().value(residuals), Huber(1.0).value(residuals))
    return finding(gap < 0.2, f"largest difference to delta = 1: {gap:.4f}, of values up to 9.5")


@states("The quantile loss of 0.5 is half the absolute error.", SURVEY)
def half_quantile_is_half_the_absolute_error() -> Finding:
    residuals = _residuals()
    gap = _largest_gap(Quantile(0.5).value(residuals), AbsoluteError().value(residuals) / 2)
    return finding(gap == 0, f"largest difference {gap:g}")


@states("The quantile loss of 0.25 penalises a prediction that is too high more.", SURVEY)
def small_quantile_penalises_high_predictions() -> Finding:
    high, low = Quantile(0.25).value(torch.tensor([-1.0, 1.0])).tolist()
    return finding(high > low, f"loss {high:g} where too high by 1, {low:g} where too low by 1")


@states("Log-cosh is twice differentiable everywhere; Huber's loss is not.", SURVEY)
def log_cosh_is_smoother_than_huber() -> Finding:
    sides = torch.tensor([1 - 1e-6, 1 + 1e-6], dtype=torch.float64)
    jumps = [float(loss.second_derivative(sides).diff().abs()) for loss in (Huber(1.0), LogCosh())]
    holds = jumps[0] == 1 and jumps[1] < 1e-5
    numbers = f"Huber {jumps[0]:g}, log-cosh {tiny(jumps[1])}"
    return finding(holds, f"jump of the second derivative at |r| = 1: {numbers}")


@states("In the mean bias error signs cancel, so that it hides errors.", SURVEY)
def signs_cancel_in_the_mean_bias() -> Finding:
    residuals = torch.tensor([3.0, -3.0, 5.0, -5.0])
    bias = float(BiasError().value(residuals).mean())
    absolute = float(AbsoluteError().value(residuals).mean())
    return finding(
        bias == 0 and absolute == 4,
        f"residuals 3, -3, 5, -5: mean bias {bias:g}, mean absolute error {absolute:g}",
    )


@states("The mean bias error has no minimum: it rewards predictions without bound.", ADDED)
def mean_bias_has_no_minimum() -> Finding:
    targets = torch.tensor([0.0, 1.0])
    values = [float(BiasError().value(targets - c).mean()) for c in (1, 10, 100)]
    numbers = ", ".join(f"{value:g}" for value in values)
    holds = values[0] > values[1] > values[2]
    return finding(holds, f"predicting 1, 10, 100 for targets 0 and 1 gives {numbers}")


@states("The squared error of a linear model has a closed-form solution.", SURVEY)
def squared_error_has_a_closed_form() -> Finding:
    generator = np.random.default_rng(1)
    inputs = np.column_stack([np.ones(50), generator.normal(size=(50, 2))])
    targets = inputs @ [1.0, 2.0, -3.0] + generator.normal(size=50)
    closed = np.linalg.solve(inputs.T @ inputs, inputs.T @ targets)
    gradient = -2 * inputs.T @ (targets - inputs @ closed)
    size = float(np.abs(gradient).max())
    return finding(size < 1e-10, f"gradient at the solution of the normal equations: {tiny(size)}")


@states("The delta of Huber's loss has to be tuned, which takes iterations.", SURVEY)
def advice_on_delta() -> Finding:
    return Finding(LEFT_OUT, "advice; how much delta matters is measured with boosted trees")


@states("No one loss suits all data.", SURVEY)
def advice_on_the_choice() -> Finding:
    return Finding(LEFT_OUT, "advice; the losses' rank under two noises is measured below")


def figure() -> Figure:
    """Value, gradient and second derivative against the error of the prediction."""
    drawing, panels = wide_figure(2.4, ncols=3)
    # An even number of points: none lies on a kink, where the derivative is not defined.
    error = torch.linspace(-3, 3, 600, dtype=torch.float64)
    for name, loss in REGRESSION_LOSSES.items():
        colour, line = LOOKS[name]
        curves = (loss.value(-error), loss.gradient(-error), loss.second_derivative(-error))
        for axes, values in zip(panels, curves, strict=True):
            axes.plot(error, values, color=colour, linestyle=line, label=name)
    labels = ("loss", "gradient", "second derivative")
    limits = ((-1.1, 4.1), (-2.6, 2.6), (-0.1, 2.2))
    for axes, label, limit in zip(panels, labels, limits, strict=True):
        axes.set(xlabel="prediction − target", ylabel=label, xlim=(-3, 3), ylim=limit)
    style.legend_above(drawing, panels[0])
    return drawing


def _residuals() -> Tensor:
    return torch.linspace(-10, 10, 2001, dtype=torch.float64)


def _largest_gap(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())
