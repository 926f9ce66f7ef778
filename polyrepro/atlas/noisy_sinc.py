"""The data of the boosting experiments: sin(x)/x under two kinds of noise.

After Natekin and Knoll, *Gradient boosting machines, a tutorial*, 2013: Gaussian noise, and
impulses that come with a Bernoulli variable.
"""

from dataclasses import dataclass

import numpy as np

from polyrepro.atlas.shown import IMPULSE_RATE
from polyrepro.losses.checks import check_fraction, check_positive

SAMPLES = 300
SD = 0.1
REACH = 10.0
"""Inputs lie between -10 and 10."""
GRID = np.linspace(-REACH, REACH, 401)[:, None]
"""Where predictions are compared with the true function."""


@dataclass(frozen=True)
class Noise:
    """Gaussian noise, and impulses of one height that each sample has with probability `rate`.

    Args:
        rate: in [0, 1].
        height: > 0, in the unit of the targets.
    """

    rate: float = 0.0
    height: float = 1.0

    def __post_init__(self) -> None:
        check_fraction("rate", self.rate)
        check_positive("height", self.height)


GAUSSIAN = Noise()
IMPULSIVE = Noise(IMPULSE_RATE)
HIGH_IMPULSES = Noise(IMPULSE_RATE, height=5.0)


def sinc(inputs: np.ndarray) -> np.ndarray:
    """sin(x)/x for inputs `(samples, 1)`, as `(samples,)`."""
    return np.sinc(inputs[:, 0] / np.pi)


def noisy_sinc(
    noise: Noise, seed: int, samples: int = SAMPLES, offset: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs `(samples, 1)` and targets `(samples,)`; equal seeds share all but the impulses."""
    generator = np.random.default_rng(seed)
    inputs = generator.uniform(-REACH, REACH, (samples, 1))
    gaussian = generator.normal(0, SD, samples)
    impulses = noise.height * (generator.random(samples) < noise.rate)
    return inputs, sinc(inputs) + gaussian + impulses + offset
