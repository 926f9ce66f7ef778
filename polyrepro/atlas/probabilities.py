"""Losses and probabilities: conventions of labels, entropy, and what the risks are minimised by."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy import stats
from scipy.optimize import minimize_scalar

from polyrepro.atlas.drawing import AMBER, BLUE, DASHED, GREY, INK, RED, legend_inside
from polyrepro.atlas.margin_losses import exponential, hinge, logistic, squared
from polyrepro.atlas.parameters import check_quantile
from polyrepro.atlas.shown import LABELS
from polyrepro.atlas.statements import ADDED, SURVEY, Finding, finding, states, tiny
from polyrepro.figures import style
from polyrepro.losses import poly_binary_cross_entropy, poly_cross_entropy

PROBABILITIES = (0.05, 0.1, 0.25, 0.4, 0.6, 0.75, 0.9, 0.95)
BOUND = 6.0
"""Scores are searched between -6 and 6; the log-odds above lie within -3 and 3."""


@cache
def best_score(loss: Callable, probability: float) -> float:
    """The constant score of least mean loss for labels that were drawn with this probability of 1.

    Args:
        loss: of the margin.
        probability: between 0 and 1, exclusive.
    """
    check_quantile("probability", probability)
    positive = float(np.mean(_labels(probability)))

    def risk(score: float) -> float:
        either = loss(torch.tensor([score, -score], dtype=torch.float64))
        return float(positive * either[0] + (1 - positive) * either[1])

    return float(minimize_scalar(risk, bounds=(-BOUND, BOUND), options={"xatol": 1e-10}).x)


@states("Cross-entropy is the same for labels 0 and 1 and for labels -1 and 1.", SURVEY)
def conventions_of_labels_agree() -> Finding:
    score = torch.linspace(-20, 20, 401, dtype=torch.float64)
    gaps = []
    for label in (0, 1):
        by_label = poly_binary_cross_entropy(score, torch.full_like(score, label), reduction="none")
        gaps.append(float((by_label - logistic((2 * label - 1) * score)).abs().max()))
    return finding(
        max(gaps) < 1e-12, f"largest difference for scores in [-20, 20]: {tiny(max(gaps))}"
    )


@states("Cross-entropy is the Kullback-Leibler divergence plus the entropy of the labels.", SURVEY)
def cross_entropy_is_divergence_plus_entropy() -> Finding:
    generator = np.random.default_rng(0)
    labels = generator.dirichlet(np.ones(10), size=100)
    logits = generator.normal(size=(100, 10))
    predicted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    sums = stats.entropy(labels, predicted, axis=1) + stats.entropy(labels, axis=1)
    losses = poly_cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(labels), reduction="none"
    )
    gap = float(np.abs(losses.numpy() - sums).max())
    return finding(
        gap < 1e-12, f"100 random distributions over 10 classes: largest difference {tiny(gap)}"
    )


@states(
    "For hard labels cross-entropy equals the divergence: minimising one minimises the other.",
    SURVEY,
)
def entropy_of_hard_labels_is_zero() -> Finding:
    logits = torch.tensor([[1.0, -0.5, 0.25]], dtype=torch.float64)
    loss = float(poly_cross_entropy(logits, torch.tensor([1])))
    divergence = float(stats.entropy([0, 1, 0], logits.softmax(1)[0].numpy()))
    text = f"one sample of three classes: {loss:.6f} and {divergence:.6f}"
    return finding(abs(loss - divergence) < 1e-12, text)


@states("The minimiser of the exponential risk is half the log-odds.", SURVEY)
def exponential_risk_gives_half_the_log_odds() -> Finding:
    return _is_minimised_by(exponential, lambda odds: odds / 2)


@states("The minimiser of the logistic risk is the log-odds.", SURVEY)
def logistic_risk_gives_the_log_odds() -> Finding:
    return _is_minimised_by(logistic, lambda odds: odds)


@states(
    "Squared loss gives twice the probability less 1, hinge only the more frequent class.", ADDED
)
def squared_gives_probabilities_and_hinge_classes() -> Finding:
    scores = {loss: [best_score(loss, p) for p in PROBABILITIES] for loss in (squared, hinge)}
    frequencies = np.array([np.mean(_labels(p)) for p in PROBABILITIES])
    gaps = [
        float(np.abs(np.array(scores[squared]) - (2 * frequencies - 1)).max()),
        float(np.abs(np.array(scores[hinge]) - np.sign(frequencies - 0.5)).max()),
    ]
    text = "largest difference over eight probabilities: squared {}, hinge to -1 or 1 {}"
    return finding(max(gaps) < 1e-5, text.format(*map(tiny, gaps)))


def figure() -> Figure:
    """Minimisers of simulated risks against the probability, with the formulas as lines."""
    drawing, (axes,) = style.new_figure(0.55 * style.TEXT_WIDTH, 2.4)
    p = np.linspace(0.02, 0.98, 200)
    odds = np.log(p / (1 - p))
    entries = (
        ("logistic: log-odds", logistic, odds, INK, "o"),
        ("exponential: half of them", exponential, odds / 2, AMBER, "s"),
        ("squared: 2p − 1", squared, 2 * p - 1, RED, "^"),
        ("hinge: ±1", hinge, np.where(p < 0.5, -1, 1), BLUE, "v"),
    )
    for label, loss, curve, colour, marker in entries:
        axes.plot(p, curve, color=colour)
        scores = [best_score(loss, probability) for probability in PROBABILITIES]
        axes.plot(PROBABILITIES, scores, marker, color=colour, label=label)
    axes.axhline(0, color=GREY, linewidth=0.7, linestyle=DASHED)
    axes.set(xlabel="probability of the label 1", ylabel="score of least risk", xlim=(0, 1))
    legend_inside(axes, loc="upper left")
    return drawing


@cache
def _labels(probability: float) -> np.ndarray:
    seed = round(1000 * probability)
    return np.random.default_rng(seed).random(LABELS) < probability


def _is_minimised_by(loss: Callable, formula: Callable[[float], float]) -> Finding:
    """Whether the minimiser is the formula of the drawn labels' odds, and so of the true ones."""
    to_drawn, to_true = [], []
    for probability in PROBABILITIES:
        frequency, score = np.mean(_labels(probability)), best_score(loss, probability)
        to_drawn.append(abs(score - formula(np.log(frequency / (1 - frequency)))))
        to_true.append(abs(score - formula(np.log(probability / (1 - probability)))))
    text = f"{LABELS} labels for each of eight probabilities: largest difference "
    text += f"to the formula for the drawn labels {tiny(max(to_drawn))}, for the true probability "
    text += f"{max(to_true):.2f}"
    return finding(max(to_drawn) < 1e-5, text)
