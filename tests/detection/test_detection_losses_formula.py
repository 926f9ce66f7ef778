"""The registry losses against the formula and finite differences."""

from itertools import product

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from loss_cases import CLASSES, SAMPLES, build


def poly(p, label, epsilon):
    """Equation 6 of the paper for one probability of the target class."""
    q = 1 - p if label else p
    return sum(e * q ** (j + 1) for j, e in enumerate(epsilon))


@pytest.mark.parametrize("epsilon", [(-1.0,), (2.0,), (1.0, -0.5)])
@pytest.mark.parametrize("class_weight", [None, [0.5, 2.0, 1.0, 3.0]])
def test_softmax_values_follow_the_formula(logits, labels, epsilon, class_weight):
    label = labels.clamp(max=CLASSES - 1)
    loss = build(
        "PolyCrossEntropyLoss", epsilon=epsilon, class_weight=class_weight, loss_weight=0.7
    )
    got = loss(logits, label, reduction_override="none")
    for row, index, value in zip(logits.double(), label, got, strict=True):
        p = row.softmax(0)[index]
        expected = 0.7 * (-p.log() + poly(p, 1, epsilon))
        expected *= 1 if class_weight is None else class_weight[index]
        assert value.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("epsilon", [(-1.0,), (2.0,), (1.0, -0.5)])
@pytest.mark.parametrize("class_weight", [None, [0.5, 2.0, 1.0, 3.0]])
def test_sigmoid_values_follow_the_formula(logits, labels, epsilon, class_weight):
    loss = build(
        "PolyCrossEntropyLoss", use_sigmoid=True, epsilon=epsilon, class_weight=class_weight
    )
    got = loss(logits, labels, reduction_override="none")
    for i, c in product(range(SAMPLES), range(CLASSES)):
        p, label = logits[i, c].double().sigmoid(), int(labels[i] == c)
        expected = -(p if label else 1 - p).log() + poly(p, label, epsilon)
        if class_weight is not None and label:
            expected = expected * class_weight[c]
        assert got[i, c].item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("epsilon", [-1.0, 2.0])
@pytest.mark.parametrize("activated", [False, True])
def test_focal_values_follow_the_formula(logits, labels, epsilon, activated):
    gamma, alpha = 1.5, 0.3
    loss = build("PolyFocalLoss", epsilon=epsilon, gamma=gamma, alpha=alpha, activated=activated)
    pred = logits.sigmoid() if activated else logits
    got = loss(pred, labels, reduction_override="none")
    for i, c in product(range(SAMPLES), range(CLASSES)):
        p, label = logits[i, c].double().sigmoid(), int(labels[i] == c)
        pt, balance = (p, alpha) if label else (1 - p, 1 - alpha)
        q = 1 - pt
        expected = balance * (-(q**gamma) * pt.log() + epsilon * q ** (gamma + 1))
        assert got[i, c].item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    "name, settings",
    [
        ("PolyCrossEntropyLoss", {}),
        ("PolyCrossEntropyLoss", {"class_weight": [0.5, 2.0, 1.0, 3.0]}),
        ("PolyCrossEntropyLoss", {"use_sigmoid": True}),
        ("PolyCrossEntropyLoss", {"use_sigmoid": True, "class_weight": [0.5, 2.0, 1.0, 3.0]}),
        ("PolyFocalLoss", {}),
        ("PolyFocalLoss", {"activated": True}),
    ],
)
def test_gradient_is_that_of_finite_differences(logits, labels, weight, name, settings):
    loss = build(name, **settings, epsilon=(-1.0, 0.5))
    labels = labels.clamp(max=CLASSES - 1)
    pred = logits.double().sigmoid() if settings.get("activated") else logits.double()
    assert torch.autograd.gradcheck(
        lambda z: loss(z, labels, weight.double(), avg_factor=3.0), pred.requires_grad_()
    )


def test_probabilities_of_exactly_0_and_1_stay_finite():
    loss = build("PolyFocalLoss", activated=True, epsilon=-1.0, gamma=0.5)
    p = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    value = loss(p, torch.tensor([0, 2]))
    value.backward()
    assert value.isfinite() and p.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("settings", [{}, {"use_sigmoid": True}])
def test_half_precision_is_computed_in_float32(logits, labels, dtype, settings):
    loss = build("PolyCrossEntropyLoss", epsilon=-1.0, class_weight=[1.0] * CLASSES, **settings)
    half, labels = logits.to(dtype), labels.clamp(max=CLASSES - 1)
    torch.testing.assert_close(
        loss(half, labels).float(), loss(half.float(), labels), rtol=1e-6, atol=1e-6
    )
