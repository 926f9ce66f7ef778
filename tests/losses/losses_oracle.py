"""The losses again, from their definitions: plain Python floats, one sample and one term at a time.

It shares no code and no algebra with the package: series are summed term by term, the gradient is a
central difference.
"""

import math
from collections.abc import Callable, Sequence


def probabilities(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    exponentials = [math.exp(z - top) for z in logits]
    total = math.fsum(exponentials)
    return [value / total for value in exponentials]


def negative_log(logits: Sequence[float], index: int) -> float:
    """-log p_index, also where p_index underflows or is next to 1."""
    others = math.fsum(
        math.exp(z - logits[index])
        for k, z in enumerate(logits)
        if k != index and z - logits[index] < 700
    )
    if any(z - logits[index] >= 700 for z in logits):
        top = max(logits)
        return top - logits[index] + math.log(math.fsum(math.exp(z - top) for z in logits))
    return math.log1p(others)


def smoothed(labels: Sequence[float], smoothing: float) -> list[float]:
    return [y * (1 - smoothing) + smoothing / len(labels) for y in labels]


def one_hot(index: int, classes: int) -> list[float]:
    return [1.0 if k == index else 0.0 for k in range(classes)]


def truncated_logarithm(q: float, terms: int) -> float:
    return math.fsum(q**j / j for j in range(1, terms + 1))


def softmax_loss(
    logits: Sequence[float],
    labels: Sequence[float],
    epsilon: Sequence[float] = (),
    terms: int | None = None,
    gamma: float = 0.0,
    class_weight: Sequence[float] | None = None,
) -> float:
    p = probabilities(logits)
    weights = class_weight or [1.0] * len(logits)

    def base(index: int) -> float:
        if terms is None:
            return negative_log(logits, index)
        return truncated_logarithm(math.fsum(p[:index] + p[index + 1 :]), terms)

    q = math.fsum((1 - y) * value for y, value in zip(labels, p, strict=True))
    expectation = math.fsum(
        w * y * base(k) for k, (w, y) in enumerate(zip(weights, labels, strict=True)) if y
    )
    weight = math.fsum(w * y for w, y in zip(weights, labels, strict=True))
    perturbation = math.fsum(e * q ** (j + gamma) for j, e in enumerate(epsilon, start=1))
    return q**gamma * expectation + weight * perturbation


def sigmoid_loss(
    logit: float,
    label: float,
    epsilon: Sequence[float] = (),
    terms: int | None = None,
    gamma: float = 0.0,
    alpha: float | None = None,
) -> float:
    """The two-class softmax of (logit, 0), with labels (y, 1 - y)."""
    loss = softmax_loss([logit, 0.0], [label, 1 - label], epsilon, terms, gamma)
    return loss if alpha is None else loss * (alpha * label + (1 - alpha) * (1 - label))


def gradient(
    function: Callable[[list[float]], float], point: Sequence[float], step: float = 1e-5
) -> list[float]:
    slopes = []
    for k in range(len(point)):
        above, below = list(point), list(point)
        above[k] += step
        below[k] -= step
        slopes.append((function(above) - function(below)) / (2 * step))
    return slopes
