"""Temperature scaling against a fine grid, and where there is no best temperature."""

import math

import pytest
import torch
from small_trainings import ALONE

from polyrepro.classification.temperature import BOUNDS, fit_temperature


def cross_entropy(logits, targets, temperature):
    return torch.nn.functional.cross_entropy(logits.double() / temperature, targets).item()


def sample(factor=1.0, images=400, classes=7):
    """Logits whose softmax is right as it is, times a factor."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(images, classes, generator=generator)
    targets = torch.multinomial(logits.softmax(dim=1), 1, generator=generator).squeeze(1)
    return logits * factor, targets


@pytest.mark.parametrize("factor", [0.1, 1.0, 3.0, 20.0])
def test_it_undoes_a_factor_and_no_other_temperature_is_better(factor):
    logits, targets = sample(factor)
    fitted = fit_temperature([(logits, targets)], ALONE)
    assert fitted == pytest.approx(factor, rel=0.1)
    best = cross_entropy(logits, targets, fitted)
    for other in torch.logspace(-1, 1, 41).tolist():
        assert cross_entropy(logits, targets, fitted * other) >= best - 1e-7


def test_batches_do_not_matter():
    logits, targets = sample()
    parts = list(zip(logits.split(150), targets.split(150), strict=True))
    assert fit_temperature(parts, ALONE) == pytest.approx(
        fit_temperature([(logits, targets)], ALONE), rel=1e-4
    )


def test_probabilities_as_targets():
    logits, targets = sample(3.0)
    one_hot = torch.nn.functional.one_hot(targets, 7).float()
    assert fit_temperature([(logits, one_hot)], ALONE) == pytest.approx(
        fit_temperature([(logits, targets)], ALONE), rel=1e-4
    )
    smoothed = 0.5 * one_hot + 0.5 / 7  # less certain labels, so a higher temperature
    assert fit_temperature([(logits, smoothed)], ALONE) > 2 * 3.0


def test_where_everything_is_right_or_wrong_it_stops_at_the_bounds():
    logits, _ = sample()
    assert fit_temperature([(logits, logits.argmax(dim=1))], ALONE) == BOUNDS[0]
    assert fit_temperature([(logits, logits.argmin(dim=1))], ALONE) == BOUNDS[1]


def test_extreme_logits_of_a_collapsed_network_give_a_finite_temperature():
    logits, targets = sample(1e30)
    assert BOUNDS[0] <= fit_temperature([(logits, targets)], ALONE) <= BOUNDS[1]


def test_equal_logits_have_no_temperature():
    logits = torch.full((5, 3), 0.3)
    assert fit_temperature([(logits, torch.tensor([0, 1, 2, 0, 1]))], ALONE) == 1
    assert math.isfinite(fit_temperature([(logits, torch.full((5, 3), 1 / 3))], ALONE))
