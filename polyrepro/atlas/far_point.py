"""Linear models of two clouds, one of whose points has a wrong label and lies far away."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from polyrepro.atlas.margin_losses import (
    logistic,
    squared,
    squared_of_truncated_model,
    truncated_squared,
)
from polyrepro.atlas.shown import FAR_SAMPLES, FAR_SEEDS
from polyrepro.losses.checks import check_positive

SAMPLES, SEEDS, TEST_SAMPLES = FAR_SAMPLES, FAR_SEEDS, 2000
CENTRE = torch.tensor([1.5, 1.5], dtype=torch.float64)
START = torch.tensor([0.2, 0.2, 0.0], dtype=torch.float64)
"""A start of descent that points from one cloud to the other."""
MODELS: dict[str, Callable[[Tensor], Tensor]] = {
    "squared loss": squared,
    "squared, model truncated": squared_of_truncated_model,
    "truncated squared loss": truncated_squared,
    "logistic loss": logistic,
}


def clouds(seed: int, samples: int) -> tuple[Tensor, Tensor]:
    """Two normal clouds in the plane, with a constant input, `(samples, 3)`; labels -1 and 1."""
    generator = torch.Generator().manual_seed(seed)
    labels = 2.0 * (torch.arange(samples, dtype=torch.float64) % 2) - 1
    points = torch.randn(samples, 2, generator=generator, dtype=torch.float64)
    return _with_constant(points + labels[:, None] * CENTRE), labels


def spoilt_clouds(seed: int, distance: float) -> tuple[Tensor, Tensor]:
    """The clouds and one point of label -1 this far out on the side of label 1."""
    inputs, labels = clouds(seed, SAMPLES)
    if distance == 0:
        return inputs, labels
    check_positive("distance", distance)
    point = _with_constant(distance * CENTRE[None] / CENTRE.norm())
    return torch.cat([inputs, point]), torch.cat([labels, -torch.ones(1, dtype=torch.float64)])


def fit(loss: Callable[[Tensor], Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
    """Weights `(3,)` of least mean loss: descended from those of least squares and from 0.

    Truncated losses are not convex; of the two minima the better one is returned. A penalty of
    1e-4 on the squared weights keeps logistic loss finite where a line separates the classes.
    """
    least_squares = torch.linalg.lstsq(inputs, labels).solution
    if loss is squared:
        return least_squares
    ends = [_descend(loss, inputs, labels, begin) for begin in (least_squares, START)]
    return min(ends, key=lambda weights: float(loss(labels * (inputs @ weights)).mean()))


def _descend(loss: Callable, inputs: Tensor, labels: Tensor, begin: Tensor) -> Tensor:
    weights = begin.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(labels * (inputs @ weights)).mean() + 1e-4 * weights[:2].square().sum()
        value.backward()
        return value

    optimiser.step(closure)
    return weights.detach()


@cache
def accuracies(name: str, distance: float) -> np.ndarray:
    """Accuracy on new samples of the clean clouds, one value per seed."""
    shares = []
    for seed in SEEDS:
        weights = fit(MODELS[name], *spoilt_clouds(seed, distance))
        inputs, labels = clouds(seed + 1000, TEST_SAMPLES)
        shares.append(float((labels * (inputs @ weights) > 0).double().mean()))
    return np.array(shares)


def _with_constant(points: Tensor) -> Tensor:
    return torch.cat([points, torch.ones(len(points), 1, dtype=points.dtype)], 1)
