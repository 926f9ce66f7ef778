"""Prediction intervals: least squares against quantile losses, with their coverage measured."""

from collections.abc import Callable
from functools import cache

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from polyrepro.atlas.boosted import boosted_trees
from polyrepro.atlas.drawing import BLUE, GREY, INK, RED, wide_figure
from polyrepro.atlas.parameters import check_quantile
from polyrepro.atlas.shown import BAND, BAND_SEEDS
from polyrepro.atlas.statements import ADDED, SHOWN, SURVEY, Finding, finding, percent, states

SAMPLES, NEW_SAMPLES, SEEDS, LEVEL = 400, 6000, BAND_SEEDS, BAND
TAIL = (1 - LEVEL) / 2
MARGIN = 0.03
"""A coverage within so much of the level counts as right."""
THIRDS = np.array([0, 1 / 3, 2 / 3, 1])
Band = tuple[np.ndarray, np.ndarray]


def sample(shape: str, seed: int, samples: int) -> Band:
    """Inputs in [0, 1] and targets, both `(samples,)`: a line plus residuals.

    Args:
        shape: of the residuals: "constant" (normal, of one variance), "growing" (normal, more and
            more with x) or "skewed" (exponential).
    """
    generator = np.random.default_rng(seed)
    inputs = generator.uniform(0, 1, samples)
    noise = {
        "constant": lambda: 0.5 * generator.normal(size=samples),
        "growing": lambda: (0.1 + 0.9 * inputs) * generator.normal(size=samples),
        "skewed": lambda: 0.5 * (generator.exponential(size=samples) - 1),
    }[shape]()
    return inputs, 1 + 2 * inputs + noise


def least_squares_band(inputs: np.ndarray, targets: np.ndarray, at: np.ndarray) -> Band:
    """The textbook prediction interval of a line, for normal residuals of one variance."""
    fit = stats.linregress(inputs, targets)
    count, centre = len(inputs), inputs.mean()
    residuals = targets - fit.intercept - fit.slope * inputs
    variance = (residuals**2).sum() / (count - 2)
    spread = ((inputs - centre) ** 2).sum()
    error = np.sqrt(variance * (1 + 1 / count + (at - centre) ** 2 / spread))
    half = stats.t.ppf(1 - TAIL, count - 2) * error
    middle = fit.intercept + fit.slope * at
    return middle - half, middle + half


def quantile_line(
    inputs: np.ndarray, targets: np.ndarray, at: np.ndarray, quantile: float
) -> np.ndarray:
    """The line of least quantile loss, evaluated `at`."""
    from sklearn.linear_model import QuantileRegressor

    check_quantile("quantile", quantile)
    model = QuantileRegressor(quantile=quantile, alpha=0, solver="highs")
    return model.fit(inputs[:, None], targets).predict(at[:, None])


def quantile_band(inputs: np.ndarray, targets: np.ndarray, at: np.ndarray) -> Band:
    """Between two quantile lines, fitted each for itself."""
    return tuple(quantile_line(inputs, targets, at, q) for q in (TAIL, 1 - TAIL))


def boosted_band(inputs: np.ndarray, targets: np.ndarray, at: np.ndarray) -> Band:
    """The same with boosted trees instead of lines."""
    models = _tail_trees(inputs.tobytes(), targets.tobytes())
    return tuple(model.predict(at[:, None]) for model in models)


@cache
def _tail_trees(inputs: bytes, targets: bytes) -> list:
    """The trees of both edges, fitted once to each sample: four parts of the theme look at it."""
    given, wanted = np.frombuffer(inputs), np.frombuffer(targets)
    return [boosted_trees("quantile", given[:, None], wanted, q) for q in (TAIL, 1 - TAIL)]


@cache
def coverage(band: Callable, shape: str) -> np.ndarray:
    """Share of new observations below, in and above the band, per third of the inputs.

    Returns:
        `(3 thirds, 3)`, means over the seeds.
    """
    shares = []
    for seed in SEEDS:
        new_inputs, new_targets = sample(shape, seed + 1000, NEW_SAMPLES)
        low, high = band(*sample(shape, seed, SAMPLES), new_inputs)
        side = np.digitize(new_inputs, THIRDS[1:-1])
        places = [new_targets < low, (low <= new_targets) & (new_targets <= high)]
        places.append(new_targets > high)
        shares.append([[place[side == third].mean() for place in places] for third in range(3)])
    return np.mean(shares, axis=0)


@states("Intervals of least squares are right where the variance is constant.", SURVEY)
def least_squares_intervals_fit_constant_variance() -> Finding:
    return _covers(least_squares_band, "constant")


@states("Intervals of least squares cannot be trusted where the variance is not constant.", SURVEY)
def least_squares_intervals_fail_for_growing_variance() -> Finding:
    covers = _covers(least_squares_band, "growing")
    overall = coverage(least_squares_band, "growing")[:, 1].mean()
    text = f"{covers.evidence}; {percent(overall)} over all, which hides it"
    return finding(covers.outcome != SHOWN, text)


@states("Quantile regression gives sensible intervals for residuals of growing variance.", SURVEY)
def quantile_regression_fits_growing_variance() -> Finding:
    return _covers(quantile_band, "growing")


@states("Quantile regression gives sensible intervals for residuals that are not normal.", SURVEY)
def quantile_regression_fits_skewed_residuals() -> Finding:
    tails = {
        band: coverage(band, "skewed").mean(axis=0)[[0, 2]]
        for band in (quantile_band, least_squares_band)
    }
    (low, high), (other_low, other_high) = tails.values()
    holds = max(abs(low - TAIL), abs(high - TAIL)) < MARGIN
    text = f"below and above the band, {percent(TAIL, 0)} each aimed at: quantile lines "
    text += f"{percent(low)} and {percent(high)}, least squares {percent(other_low)} and "
    return finding(holds, text + percent(other_high))


@states("Trees boosted with quantiles 0.05 and 0.95 give a 90 % band.", SURVEY)
def boosted_quantiles_give_a_band() -> Finding:
    covers = _covers(boosted_band, "growing")
    text = f"{covers.evidence}, of new observations; of those fitted "
    return finding(covers.outcome == SHOWN, f"{text}{percent(_coverage_of_fitted(boosted_band))}")


@states("The band of boosted quantiles follows the variance, that of least squares cannot.", ADDED)
def boosted_band_follows_the_variance() -> Finding:
    at = np.array([0.1, 0.9])
    widths = {
        band: np.mean(
            [np.subtract(*band(*sample("growing", seed, SAMPLES), at)[::-1]) for seed in SEEDS],
            axis=0,
        )
        for band in (boosted_band, least_squares_band)
    }
    ratios = [float(width[1] / width[0]) for width in widths.values()]
    text = f"width at x = 0.9 over width at 0.1: boosted {ratios[0]:.2f}, least squares "
    return finding(ratios[0] > 2, f"{text}{ratios[1]:.2f}; the noise itself {0.91 / 0.19:.2f}")


def figure() -> Figure:
    """The three bands on data of growing variance, and their coverage per third."""
    drawing, panels = wide_figure(2.4, ncols=3)
    inputs, targets = sample("growing", 0, SAMPLES)
    at = np.linspace(0, 1, 201)
    for axes, bands in zip(panels, (BANDS[:2], BANDS[2:]), strict=False):
        axes.plot(inputs, targets, ".", color="#BBBBBB", markersize=1.8, zorder=1)
        for label, band, colour, line in bands:
            for number, edge in enumerate(band(inputs, targets, at)):
                name = {"label": label} if number == 0 else {}
                axes.plot(at, edge, color=colour, linestyle=line, **name)
        axes.set(xlabel="$x$", ylabel="target, 90 % band", xlim=(0, 1), ylim=(-1, 6.2))
    for number, (label, band, colour, _) in enumerate(BANDS):
        places = np.arange(3) + 0.27 * (number - 1)
        panels[2].bar(
            places, 100 * coverage(band, "growing")[:, 1], 0.25, color=colour, label=label
        )
    panels[2].axhline(100 * LEVEL, color=GREY, linewidth=0.9, linestyle=(0, (4, 1.5)))
    panels[2].set_xticks(range(3), ["0 to 1/3", "1/3 to 2/3", "2/3 to 1"])
    panels[2].set(xlabel="$x$", ylabel="new observations covered (%)", ylim=(0, 105))
    panels[2].grid(axis="x", visible=False)
    handles = [handle for axes in panels[:2] for handle in axes.get_legend_handles_labels()[0]]
    drawing.legend(handles=handles, loc="outside upper center", ncols=3)
    return drawing


BANDS = (
    ("least squares", least_squares_band, INK, "-"),
    ("quantile lines", quantile_band, BLUE, "-"),
    ("boosted quantiles", boosted_band, RED, "-"),
)


def _coverage_of_fitted(band: Callable) -> float:
    """Share of the training observations in the band, for growing variance."""
    shares = []
    for seed in SEEDS:
        inputs, targets = sample("growing", seed, SAMPLES)
        low, high = band(inputs, targets, inputs)
        shares.append(((low <= targets) & (targets <= high)).mean())
    return float(np.mean(shares))


def _covers(band: Callable, shape: str) -> Finding:
    """Whether every third of the inputs has the stated coverage, within the margin."""
    covered = coverage(band, shape)[:, 1]
    numbers = ", ".join(f"{percent(share)}" for share in covered)
    text = f"coverage of the {percent(LEVEL, 0)} band in the three thirds of x: {numbers}"
    return finding(bool((np.abs(covered - LEVEL) < MARGIN).all()), text)
