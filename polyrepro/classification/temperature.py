"""Temperature scaling (Guo et al., ICML 2017, Section 4.2): one number calibrates a network."""

import functools
import math

import torch
from scipy.optimize import brentq
from torch import Tensor

from polyrepro.running.processes import Processes

BOUNDS = (0.01, 100.0)
"""The temperature stays between them. The lower one is reached if every prediction is right, the
upper one if the logits are worse than no logits; in both cases there is no best temperature."""

TOLERANCE = 1e-4
"""Of the logarithm of the temperature. The cross-entropy is flat there: it is exact to 1e-8."""


@torch.inference_mode()
def fit_temperature(batches: list[tuple[Tensor, Tensor]], processes: Processes) -> float:
    """The temperature T that minimises the cross-entropy of softmax(logits / T).

    The cross-entropy is convex in 1 / T, so that the root of its derivative is the minimum:
    the mean over images of sum_c p_c z_c - sum_c t_c z_c, with logits z, targets t and
    p = softmax(z / T).

    Args:
        batches: logits (images, classes) and targets of this process: class indices (images,) or
            probabilities (images, classes). All processes have to call this.

    Returns:
        T, within `BOUNDS`; 1 if the logits of every image are equal, where T has no effect.
    """
    relative = [logits - _target_logits(logits, targets) for logits, targets in batches]

    @functools.cache
    def derivative(log_temperature: float) -> float:
        """By 1 / T, summed over the images of all processes."""
        inverse = math.exp(-log_temperature)
        own = sum(_summed(z, inverse) for z in relative)
        return float(processes.gathered(torch.as_tensor(own, dtype=torch.float64)).sum())

    low, high = map(math.log, BOUNDS)
    if derivative(low) == derivative(high) == 0:
        return 1.0
    # The derivative falls from the lower to the upper temperature.
    if derivative(low) <= 0:
        return BOUNDS[0]
    if derivative(high) >= 0:
        return BOUNDS[1]
    return math.exp(brentq(derivative, low, high, xtol=TOLERANCE, rtol=TOLERANCE))


def _target_logits(logits: Tensor, targets: Tensor) -> Tensor:
    if targets.is_floating_point():
        return (targets * logits).sum(dim=1, keepdim=True)
    return logits.gather(1, targets[:, None])


def _summed(relative: Tensor, inverse: float) -> Tensor:
    """Sum over images of the expected logit, relative to the target's."""
    probabilities = (relative * inverse).softmax(dim=1)
    return (probabilities * relative).sum(dim=1).double().sum()
