"""Numbers of seeds against published tables."""

import math

import numpy as np
import pytest

from polyrepro.analysis.inference import estimate_means
from polyrepro.analysis.power import seeds_for_margin, seeds_needed


@pytest.mark.parametrize(("size", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_of_a_paired_t_test(size, seeds):
    """Power 0.8 at 0.05, two-sided: G*Power's numbers for matched pairs."""
    assert seeds_needed(size * 0.3, 0.3, 0.05) == seeds


@pytest.mark.parametrize(
    ("effect", "sd", "expected"),
    [
        (5.0, 0.0, 2),
        (0.0, 0.0, math.inf),
        (-300.0, 0.1, 2),
        (0.0, 1.0, math.inf),
        (0.001, 1.0, math.inf),
    ],
)
def test_extremes(effect, sd, expected):
    assert seeds_needed(effect, sd, 0.05) == expected


def test_unknown_noise_gives_no_number():
    assert math.isnan(seeds_needed(0.4, math.nan, 0.05))


def test_the_seeds_for_a_margin_show_equivalence_in_four_of_five_cases():
    n = int(seeds_for_margin(0.3, 0.4, 0.05))
    found = estimate_means(np.random.default_rng(0).normal(0, 0.4, (20_000, n)))
    shown = np.maximum(found.p_above(-0.3), found.p_below(0.3)) < 0.025
    assert 0.79 < shown.mean() < 0.85
