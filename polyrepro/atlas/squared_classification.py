"""Why the squared loss fails for classification: one far point, and gradients that vanish.

Linear models on two clouds, one of whose points has a wrong label and lies far away on the other
side; and the squared loss of probabilities, behind a sigmoid or a softmax.
"""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from polyrepro.atlas.drawing import (
    DASHED,
    DOTTED,
    GREEN,
    INK,
    RED,
    SKY,
    legend_inside,
    wide_figure,
)
from polyrepro.atlas.far_point import MODELS, SAMPLES, accuracies, fit, spoilt_clouds
from polyrepro.atlas.margin_losses import gradient, logistic
from polyrepro.atlas.statements import (
    ADDED,
    SURVEY,
    Finding,
    finding,
    finding_above,
    finding_below,
    percent,
    states,
)

DISTANCES = (0.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
"""Of the mislabelled point from the origin; 0 stands for no such point."""
FAR = 40.0
WRONG_SCORE, COURSE_STEPS = -8.0, 100
"""Descent on a probability starts confidently wrong."""


@states("One mislabelled far point spoils a linear model under squared loss.", SURVEY)
def far_point_spoils_squared_loss() -> Finding:
    clean, spoilt = accuracies("squared loss", 0.0), accuracies("squared loss", FAR)
    text = f"1 of {SAMPLES + 1} points, at distance {FAR:g}: accuracy "
    text += f"{percent(clean.mean())} falls to "
    return finding_above(
        clean - spoilt, 0.01, f"{text}{percent(spoilt.mean())}; difference", "points"
    )


@states("A linear model truncated to [-1, 1] withstands the far point under squared loss.", SURVEY)
def truncated_model_withstands_the_far_point() -> Finding:
    return _withstands("squared, model truncated")


@states("Truncated squared loss withstands the far point.", SURVEY)
def truncated_loss_withstands_the_far_point() -> Finding:
    return _withstands("truncated squared loss")


@states("Logistic loss withstands the far point.", SURVEY)
def logistic_loss_withstands_the_far_point() -> Finding:
    return _withstands("logistic loss")


@states("Logistic loss only defers the harm of a far point: it grows without bound too.", ADDED)
def logistic_loss_gives_way_in_the_end() -> Finding:
    losses = {
        d: accuracies("logistic loss", 0.0) - accuracies("logistic loss", d) for d in DISTANCES
    }
    numbers = ", ".join(f"{percent(v.mean())} at {d:g}" for d, v in losses.items() if d)
    return finding_above(
        losses[DISTANCES[-1]], 0.01, f"accuracy lost by distance: {numbers}; last", "points"
    )


@states(
    "The squared loss of a probability is bounded: by 1 after a sigmoid, 2 after softmax.", SURVEY
)
def squared_loss_of_probabilities_is_bounded() -> Finding:
    scores = torch.tensor([-100.0, -10.0], dtype=torch.float64)
    sigmoid = float(squared_of_sigmoid(scores).max())
    logits = torch.tensor([[-100.0, 100.0, 0.0]], dtype=torch.float64)
    softmax = float(squared_of_softmax(logits, 0))
    entropy = float(functional.cross_entropy(logits, torch.tensor([0])))
    text = f"entirely wrong: {sigmoid:g} and {softmax:g}, where cross-entropy is {entropy:g}"
    return finding(abs(sigmoid - 1) < 1e-9 and abs(softmax - 2) < 1e-9, text)


@states(
    "Behind a sigmoid the gradient of squared loss vanishes where it is confidently wrong.", SURVEY
)
def gradient_vanishes_behind_a_sigmoid() -> Finding:
    score = torch.tensor(WRONG_SCORE, dtype=torch.float64)
    sizes = [abs(float(gradient(loss, score))) for loss in (squared_of_sigmoid, logistic)]
    text = (
        f"at the score {WRONG_SCORE:g} of a positive: {sizes[0]:.1e}, cross-entropy {sizes[1]:.4f}"
    )
    return finding(sizes[0] < 1e-3 < sizes[1], text)


@states("Behind a softmax the gradient of squared loss vanishes too.", SURVEY)
def gradient_vanishes_behind_a_softmax() -> Finding:
    logits = torch.tensor([[WRONG_SCORE, 0.0, 0.0]], dtype=torch.float64)
    squares = gradient(lambda z: squared_of_softmax(z, 0), logits).norm()
    entropy = gradient(lambda z: functional.cross_entropy(z, torch.tensor([0])), logits).norm()
    text = f"length for three classes, target logit {WRONG_SCORE:g}: {float(squares):.1e}, "
    holds = float(squares) < 1e-3 < float(entropy)
    return finding(holds, f"{text}cross-entropy {float(entropy):.2f}")


@states("Descent on squared loss hardly leaves a prediction that is confidently wrong.", SURVEY)
def descent_hardly_leaves_a_wrong_prediction() -> Finding:
    ends = {name: course[-1] for name, course in courses().items()}
    text = f"probability after {COURSE_STEPS} steps of 1 from {courses()['squared'][0]:.1e}: "
    numbers = ", ".join(f"{name} {end:.2g}" for name, end in ends.items())
    return finding(ends["squared"] < 0.01 and ends["cross-entropy"] > 0.9, text + numbers)


def squared_of_sigmoid(score: Tensor) -> Tensor:
    """``(1 - sigmoid(score))^2``: squared loss of a positive sample."""
    return torch.sigmoid(-score) ** 2


def squared_of_softmax(logits: Tensor, target: int) -> Tensor:
    """Squared distance of ``softmax(logits)``, `(samples, classes)`, to the target class."""
    labels = functional.one_hot(torch.tensor(target), logits.shape[1])
    return ((logits.softmax(1) - labels) ** 2).sum(1)


def courses() -> dict[str, np.ndarray]:
    """The probability of a positive sample under descent of its score."""
    found = {}
    for name, loss in (("squared", squared_of_sigmoid), ("cross-entropy", logistic)):
        score, course = torch.tensor(WRONG_SCORE, dtype=torch.float64), []
        for _ in range(COURSE_STEPS + 1):
            course.append(float(torch.sigmoid(score)))
            score = score - gradient(loss, score)
        found[name] = np.array(course)
    return found


def figure() -> Figure:
    """Boundaries with a far point, accuracy by its distance, and descent behind a sigmoid."""
    drawing, (plane, distances, descent) = wide_figure(2.7, ncols=3)
    looks = ((RED, "-"), (SKY, DOTTED), (GREEN, DASHED), (INK, "-"))
    inputs, labels = spoilt_clouds(0, FAR)
    for label, colour, marker in ((-1, "#C9A08F", "o"), (1, "#9DBBD0", "^")):
        cloud = inputs[labels == label]
        plane.plot(cloud[:, 0], cloud[:, 1], marker, color=colour, markersize=2.2, zorder=1)
    x = np.array([-5.0, 4.0])
    for (name, loss), (colour, line) in zip(MODELS.items(), looks, strict=True):
        first, second, constant = fit(loss, inputs, labels).tolist()
        plane.plot(x, -(first * x + constant) / second, color=colour, linestyle=line, label=name)
        means = [100 * accuracies(name, distance).mean() for distance in DISTANCES]
        distances.plot(DISTANCES, means, color=colour, linestyle=line, marker=".")
    plane.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-4, 4), ylim=(-4, 5.5))
    plane.text(3.9, 4.7, f"wrong label, {FAR:g} away ↗", ha="right", fontsize=6.5)
    distances.set(
        xlabel="distance of the mislabelled point", ylabel="accuracy on clean samples (%)"
    )
    for name, course in courses().items():
        colour = RED if name == "squared" else INK
        descent.plot(course, color=colour, label=name)
    descent.set(xlabel="step of descent", ylabel="probability of the target", ylim=(-0.03, 1.3))
    legend_inside(descent, loc="upper left")
    drawing.legend(*plane.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return drawing


def _withstands(name: str) -> Finding:
    """Whether less than a point of accuracy is lost."""
    lost = accuracies(name, 0.0) - accuracies(name, FAR)
    after = accuracies(name, FAR).mean()
    text = f"accuracy {percent(after)}, lost {100 * lost.mean() + 0.0:.2f} points"
    return finding_below(lost, 0.01, text, "points")
