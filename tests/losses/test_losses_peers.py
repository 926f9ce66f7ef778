"""Agreement with independent implementations, where they are installed."""

import numpy as np
import pytest
import torch

from polyrepro.losses import poly_binary_cross_entropy, poly_cross_entropy

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(8, 6, generator=GENERATOR)
PROBABILITIES = torch.randn(8, 6, generator=GENERATOR).softmax(1)
INDEX = torch.randint(0, 6, (8,), generator=GENERATOR)
LABELS = torch.randint(0, 2, (8, 6), generator=GENERATOR).float()


@pytest.mark.parametrize("epsilon", [-1.0, 0.0, 2.0])
def test_optax(epsilon):
    optax = pytest.importorskip("optax")
    theirs = optax.losses.poly_loss_cross_entropy(
        LOGITS.numpy(), PROBABILITIES.numpy(), epsilon=epsilon
    )
    ours = poly_cross_entropy(LOGITS, PROBABILITIES, epsilon, reduction="none")
    np.testing.assert_allclose(ours.numpy(), np.asarray(theirs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("epsilon", [-1.0, 2.0])
def test_timm_softmax_form(epsilon, smoothing):
    timm_loss = pytest.importorskip("timm.loss")
    theirs = timm_loss.PolyCrossEntropy(epsilon, smoothing)(LOGITS, INDEX)
    ours = poly_cross_entropy(LOGITS, INDEX, epsilon, label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_timm_sigmoid_form(gamma, alpha):
    timm_loss = pytest.importorskip("timm.loss")
    theirs = timm_loss.PolyBinaryCrossEntropy(1.5, gamma, alpha)(LOGITS, LABELS)
    ours = poly_binary_cross_entropy(LOGITS, LABELS, 1.5, gamma=gamma, alpha=alpha)
    torch.testing.assert_close(ours, theirs)
