"""Boosted trees on the noisy sinc: the three observations of the survey over many noise seeds."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.atlas.boosted import (
    SEEDS,
    boosted_trees,
    huber_predictions,
    predictions,
    quantile_trees,
)
from polyrepro.atlas.drawing import AMBER, BLUE, DASHED, DOTTED, INK, RED, name_panels, wide_figure
from polyrepro.atlas.noisy_sinc import (
    GAUSSIAN,
    GRID,
    HIGH_IMPULSES,
    IMPULSE_RATE,
    IMPULSIVE,
    Noise,
    noisy_sinc,
    sinc,
)
from polyrepro.atlas.shown import DELTAS
from polyrepro.atlas.statements import (
    ADDED,
    SURVEY,
    Finding,
    finding,
    finding_above,
    finding_below,
    percent,
    states,
    t_interval,
    tiny,
)
from polyrepro.figures import style

QUANTILES = (0.1, 0.5, 0.9)
MARGIN = 0.05
"""Shares of observations within so much of the quantile count as a good estimate of it."""
NOISES = (GAUSSIAN, IMPULSIVE)
SHOWN_SEED = 0
NEGLIGIBLE = 0.2
"""Losses that differ by less than this part of squared and absolute loss count as one."""


def errors(loss: str, noise: Noise) -> np.ndarray:
    """Root mean squared distance to the true function, one value per seed."""
    return np.array([_error(predictions(loss, noise, seed)) for seed in SEEDS])


def biases(loss: str, noise: Noise) -> np.ndarray:
    """Mean of prediction - true function, one value per seed."""
    truth = sinc(GRID)
    return np.array([(predictions(loss, noise, seed) - truth).mean() for seed in SEEDS])


@states("Absolute loss is less affected by impulsive noise than squared loss.", SURVEY)
def absolute_is_less_affected_by_impulses() -> Finding:
    harm = {
        loss: errors(loss, IMPULSIVE) - errors(loss, GAUSSIAN)
        for loss in ("squared_error", "absolute_error")
    }
    means = {loss: values.mean() for loss, values in harm.items()}
    return finding_above(
        harm["squared_error"] - harm["absolute_error"],
        0,
        f"impulses add {means['squared_error']:.3f} to the error of squared loss, "
        f"{means['absolute_error']:.3f} to that of absolute loss; difference",
    )


@states("Impulsive noise biases the predictions of squared loss.", SURVEY)
def squared_loss_is_biased_by_impulses() -> Finding:
    squared, absolute = (biases(loss, IMPULSIVE) for loss in ("squared_error", "absolute_error"))
    text = f"impulses of 1 in {percent(IMPULSE_RATE, 0)} of the samples: bias with absolute loss "
    text += f"{absolute.mean():.3f}, with squared loss {squared.mean():.3f}"
    return finding_above(squared, 0, text)


@states("Under Gaussian noise squared loss is the more accurate one.", ADDED)
def squared_is_better_under_gaussian_noise() -> Finding:
    squared, absolute = (errors(loss, GAUSSIAN) for loss in ("squared_error", "absolute_error"))
    text = f"error {squared.mean():.4f} against {absolute.mean():.4f} of absolute loss; difference"
    return finding_above(absolute - squared, 0, text)


@states("Huber's loss is insensitive to delta (4, 2 or 1).", SURVEY)
def huber_is_insensitive_to_delta() -> Finding:
    ratio, text = _sensitivity_to_delta(IMPULSIVE)
    return finding_below(ratio, NEGLIGIBLE, text)


@states("Delta matters as soon as impulses exceed it.", ADDED)
def high_impulses_make_delta_matter() -> Finding:
    ratio, text = _sensitivity_to_delta(HIGH_IMPULSES)
    return finding_above(ratio, NEGLIGIBLE, text)


@states("Quantile losses estimate their confidence levels well.", SURVEY)
def quantile_losses_estimate_their_levels() -> Finding:
    shares = [training_shares_below(q, noise) for noise in NOISES for q in QUANTILES]
    gaps = [
        abs(end - q)
        for each, q in zip(shares, 2 * QUANTILES, strict=True)
        for end in t_interval(each)
    ]
    text = f"share of training observations below the fit: {_levels(shares)}; margin {MARGIN:g}"
    return finding(max(gaps) <= MARGIN, text)


@states("For new observations boosted quantiles lie too near the middle: the trees overfit.", ADDED)
def levels_are_too_near_the_middle_for_new_observations() -> Finding:
    shares = [shares_below(q, noise) for noise in NOISES for q in QUANTILES]
    widths = [1 - (shares[row + 2] - shares[row]) for row in (0, 3)]
    text = f"share of new observations below the fit: {_levels(shares)}; outside the band of 80 %"
    return finding_above(np.concatenate(widths), 0.2, text, "%")


@states("The parameter alpha of scikit-learn's Huber loss is a quantile, no delta.", ADDED)
def alpha_of_scikit_learn_is_a_quantile() -> Finding:
    inputs, targets = noisy_sinc(IMPULSIVE, SHOWN_SEED)
    scaled = boosted_trees("huber", inputs, 10 * targets).predict(GRID)
    same = float(np.abs(scaled / 10 - predictions("huber", IMPULSIVE, SHOWN_SEED)).max())
    deltas = implied_deltas(inputs, targets, alpha=0.9)
    text = f"targets times 10 give predictions times 10 (difference {tiny(same)}), so delta "
    text += (
        f"follows the residuals: their quantile 0.9 is {deltas[0]:.2f} after the first tree and "
    )
    return finding(same < 1e-6, f"{text}{deltas[-1]:.2f} after the last")


def implied_deltas(inputs: np.ndarray, targets: np.ndarray, alpha: float) -> list[float]:
    """The delta that scikit-learn's alpha stands for after each tree."""
    model = boosted_trees("huber", inputs, targets, alpha)
    stages = model.staged_predict(inputs)
    return [float(np.quantile(np.abs(targets - stage), alpha)) for stage in stages]


def training_shares_below(quantile: float, noise: Noise) -> np.ndarray:
    """Share of the training observations below the fitted quantile, one value per seed."""
    samples = [noisy_sinc(noise, seed) for seed in SEEDS]
    return _shares(quantile, noise, samples)


def shares_below(quantile: float, noise: Noise) -> np.ndarray:
    """Share of new observations below the fitted quantile, one value per seed."""
    samples = [noisy_sinc(noise, seed + 1000, samples=1000) for seed in SEEDS]
    return _shares(quantile, noise, samples)


def _shares(quantile: float, noise: Noise, samples: list) -> np.ndarray:
    models = (quantile_trees(quantile, noise, seed) for seed in SEEDS)
    return np.array(
        [
            (targets < model.predict(inputs)).mean()
            for model, (inputs, targets) in zip(models, samples, strict=True)
        ]
    )


def _levels(shares: list[np.ndarray]) -> str:
    """Means of the shares below the three quantiles, for both noises."""
    means = [f"{share.mean():.3f}" for share in shares]
    return f"Gaussian noise {', '.join(means[:3])}, impulsive {', '.join(means[3:])}"


def figure() -> Figure:
    """A panel per loss; Gaussian noise above, impulsive noise below."""
    drawing, panels = wide_figure(3.6, nrows=2, ncols=4, sharex=True, sharey=True)
    titles = ["squared", "absolute", "Huber", "quantile"]
    name_panels(panels, titles + [""] * 4)
    for axes in panels:
        axes.plot(
            GRID,
            sinc(GRID),
            color=style.NEUTRAL,
            linewidth=0.9,
            linestyle=DASHED,
            label="$\\sin(x)/x$",
        )
    for row, noise in enumerate(NOISES):
        for axes, draw in zip(
            panels[4 * row :], (_squared, _absolute, _huber, _band), strict=False
        ):
            _draw_data(axes, noise)
            draw(axes, noise)
        panels[4 * row].set_ylabel(("Gaussian", "impulsive")[row] + " noise\ntarget, prediction")
    for axes in panels[4:]:
        axes.set(xlabel="$x$", xlim=(-10, 10), ylim=(-0.6, 2.25))
    style.legend_above(drawing, *panels[:4])
    return drawing


def _draw_data(axes: Axes, noise: Noise) -> None:
    inputs, targets = noisy_sinc(noise, SHOWN_SEED)
    axes.plot(inputs, targets, ".", color="#BBBBBB", markersize=1.8, zorder=1)


def _squared(axes: Axes, noise: Noise) -> None:
    axes.plot(GRID, predictions("squared_error", noise, SHOWN_SEED), color=INK, label="squared")


def _absolute(axes: Axes, noise: Noise) -> None:
    axes.plot(GRID, predictions("absolute_error", noise, SHOWN_SEED), color=RED, label="absolute")


def _huber(axes: Axes, noise: Noise) -> None:
    for delta, line, width in zip(DELTAS, ("-", DASHED, DOTTED), (2.0, 1.4, 1.1), strict=True):
        values = huber_predictions(delta, noise, SHOWN_SEED)
        colour = {4.0: "#56B4E9", 2.0: BLUE, 1.0: INK}[delta]
        axes.plot(
            GRID,
            values,
            linestyle=line,
            color=colour,
            linewidth=width,
            label=f"Huber, δ = {delta:g}",
        )


def _band(axes: Axes, noise: Noise) -> None:
    low, median, high = (quantile_trees(q, noise, SHOWN_SEED).predict(GRID) for q in QUANTILES)
    axes.fill_between(
        GRID[:, 0], low, high, color=AMBER, alpha=0.35, linewidth=0, label="quantiles 0.1 to 0.9"
    )
    axes.plot(GRID, median, color=RED, linestyle=DASHED, label="quantile 0.5")


def _error(predicted: np.ndarray) -> float:
    return float(np.sqrt(np.mean((predicted - sinc(GRID)) ** 2)))


def _sensitivity_to_delta(noise: Noise) -> tuple[np.ndarray, str]:
    """How far the deltas' predictions differ, beside squared and absolute loss; one per seed."""
    fits = [[huber_predictions(delta, noise, seed) for delta in DELTAS] for seed in SEEDS]
    spread = np.array([max(_distance(a, b) for a in each for b in each) for each in fits])
    pairs = [
        (predictions("squared_error", noise, seed), predictions("absolute_error", noise, seed))
        for seed in SEEDS
    ]
    reference = np.array([_distance(*pair) for pair in pairs])
    text = f"impulses of {noise.height:g}: predictions differ by {spread.mean():.3f} between the "
    text += f"deltas, by {reference.mean():.3f} between squared and absolute loss; ratio"
    return spread / reference, text


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2)))
