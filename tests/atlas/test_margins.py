"""Losses by margin, rankings, risks and gates: by hand, and as scipy and scikit-learn say."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import hinge_loss, log_loss
from torch.nn import functional

from polyrepro.atlas import margin_losses as losses
from polyrepro.atlas.gates import of_logit
from polyrepro.atlas.probabilities import best_score
from polyrepro.losses import HardGate, PolySeries, SoftGate

MARGINS = torch.tensor([-3.0, -0.5, 0.0, 0.4, 2.0], dtype=torch.float64)


def test_values_by_hand():
    e = math.e
    expected = {
        losses.zero_one: [1, 1, 1, 0, 0],
        losses.hinge: [4, 1.5, 1, 0.6, 0],
        losses.exponential: [e**3, e**0.5, 1, e**-0.4, e**-2],
        losses.squared: [16, 2.25, 1, 0.36, 1],
        losses.truncated_squared: [4, 2.25, 1, 0.36, 1],
        losses.squared_of_truncated_model: [4, 2.25, 1, 0.36, 0],
    }
    for loss, values in expected.items():
        np.testing.assert_allclose(loss(MARGINS), values, rtol=1e-14, atol=1e-15)


def test_logistic_and_hinge_are_scikit_learn_s():
    labels, scores = np.array([1, -1, 1, -1]), np.array([0.3, 0.2, -1.5, -2.0])
    margin = torch.from_numpy(labels * scores)
    assert float(losses.hinge(margin).mean()) == pytest.approx(hinge_loss(labels, scores))
    expected = log_loss(labels, expit(scores))
    assert float(losses.logistic(margin).mean()) == pytest.approx(expected)


def test_focal_loss_by_hand():
    p = expit(MARGINS.numpy())
    np.testing.assert_allclose(losses.focal(MARGINS, 1.5), -((1 - p) ** 1.5) * np.log(p))


def test_ranking_and_contrastive_loss_by_hand():
    positive, negative = torch.tensor([0.9, 0.2]), torch.tensor([0.1, 0.5])
    found = losses.ranking_hinge(positive, negative, margin=0.5)
    torch.testing.assert_close(found, torch.tensor([0.0, 0.8]))
    distance, same = torch.tensor([0.5, 0.5, 3.0]), torch.tensor([True, False, False])
    assert losses.contrastive(distance, same, margin=2.0).tolist() == [0.25, 2.25, 0]


def test_gradients():
    assert losses.gradient(losses.squared, torch.tensor([0.0, 3.0])).tolist() == [-2, 4]


@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_caps_and_margins_must_be_positive(value):
    one = torch.ones(1)
    with pytest.raises(ValueError, match="cap must be a finite number > 0"):
        losses.truncated_squared(one, value)
    with pytest.raises(ValueError, match="margin must be a finite number > 0"):
        losses.ranking_hinge(one, one, value)
    with pytest.raises(ValueError, match="margin must be a finite number > 0"):
        losses.contrastive(one, one > 0, value)


def test_gates_and_focal_loss_reject_what_is_out_of_range():
    with pytest.raises(ValueError, match="sharpness must be a finite number > 0, got 0"):
        SoftGate(0)
    with pytest.raises(ValueError, match="gamma must be a finite number >= 0, got -1"):
        losses.focal(MARGINS, -1)


def test_minimisers_of_risks():
    assert best_score(losses.logistic, 0.9) == pytest.approx(math.log(9), abs=0.1)
    assert best_score(losses.exponential, 0.9) == pytest.approx(math.log(9) / 2, abs=0.05)
    assert best_score(losses.squared, 0.25) == pytest.approx(-0.5, abs=0.02)
    assert best_score(losses.hinge, 0.4) == pytest.approx(-1, abs=1e-6)
    with pytest.raises(ValueError, match="probability must be a number between 0 and 1"):
        best_score(losses.hinge, 1.0)


def test_gates_as_functions_of_the_logit():
    x = torch.tensor([-1.0, 0.5], dtype=torch.float64)
    entropy = functional.softplus(-x)
    torch.testing.assert_close(of_logit(SoftGate(3.0), x), torch.sigmoid(-3 * x) * entropy)
    torch.testing.assert_close(of_logit(PolySeries(gamma=2.0), x), torch.sigmoid(-x) ** 2 * entropy)
    assert of_logit(HardGate(), x).tolist() == [float(entropy[0]), 0]
