"""The registry losses against MMDetection's own."""

from itertools import product

import pytest
import torch
from torch.nn import functional

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from loss_cases import CLASSES, SAMPLES, build


def pair(name: str, **settings):
    """MMDetection's loss, and ours with epsilon 0."""
    return build(name, **settings), build(f"Poly{name}", **settings, epsilon=0.0)


def same_value_and_gradient(stock, ours, logits, *args, **kwargs) -> None:
    results = []
    for loss in (stock, ours):
        leaf = logits.clone().requires_grad_()
        value = loss(leaf, *args, **kwargs)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        results.append((value, gradient))
    (value, gradient), (our_value, our_gradient) = results
    assert our_value.shape == value.shape
    torch.testing.assert_close(our_value, value, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(our_gradient, gradient, rtol=5e-5, atol=1e-6)


REDUCTIONS = [("mean", None), ("mean", 5.0), ("mean", 0.0), ("sum", None), ("none", None)]
REDUCTIONS.append(("none", 5.0))


@pytest.mark.parametrize(
    "reduction, use_sigmoid, weighted, class_weight",
    list(product(REDUCTIONS, [False, True], [False, True], [None, [0.5, 2.0, 1.0, 3.0]])),
)
def test_cross_entropy_with_epsilon_0_is_the_stock_loss(
    logits, labels, weight, reduction, use_sigmoid, weighted, class_weight
):
    override, avg_factor = reduction
    stock, ours = pair(
        "CrossEntropyLoss", use_sigmoid=use_sigmoid, class_weight=class_weight, loss_weight=0.7
    )
    if not use_sigmoid:
        labels = labels.clamp(max=CLASSES - 1)
    arguments = {"avg_factor": avg_factor, "reduction_override": override}
    weight = weight if weighted else None
    same_value_and_gradient(stock, ours, logits, labels, weight, **arguments)


@pytest.mark.parametrize("use_sigmoid", [False, True])
@pytest.mark.parametrize("avg_non_ignore", [False, True])
@pytest.mark.parametrize("ignore_index", [1, 255, -100, None])
@pytest.mark.parametrize("in_call", [False, True])
@pytest.mark.filterwarnings("ignore:Default ``avg_non_ignore``")
def test_ignored_labels_are_treated_as_by_the_stock_loss(
    logits, labels, weight, use_sigmoid, avg_non_ignore, ignore_index, in_call
):
    settings = {"use_sigmoid": use_sigmoid, "avg_non_ignore": avg_non_ignore}
    call = {"ignore_index": ignore_index} if in_call else {}
    if not in_call:
        settings["ignore_index"] = ignore_index
    stock, ours = pair("CrossEntropyLoss", **settings)
    labels = labels.clamp(max=CLASSES - 1)
    labels[2:5] = -100 if ignore_index is None else ignore_index
    if in_call and ignore_index is None:  # None in the call leaves the module's own
        stock.ignore_index = ours.ignore_index = labels[2:5] = 1
    for weights in (None, weight):
        same_value_and_gradient(stock, ours, logits, labels, weights, **call)


def test_more_dimensions_as_in_semantic_heads(generator):
    stock, ours = pair("CrossEntropyLoss", ignore_index=255, avg_non_ignore=True)
    logits = torch.randn(2, 3, 5, 4, generator=generator)
    labels = torch.randint(0, 3, (2, 5, 4), generator=generator)
    labels[0, 0] = 255
    same_value_and_gradient(stock, ours, logits, labels)


def test_sigmoid_labels_per_element(generator, logits):
    stock, ours = pair("CrossEntropyLoss", use_sigmoid=True, avg_non_ignore=True)
    labels = torch.rand(SAMPLES, CLASSES, generator=generator)
    labels[0] = -1
    weight = torch.rand(SAMPLES, 1, generator=generator)
    for weights in (None, weight, weight.expand(-1, CLASSES)):
        same_value_and_gradient(stock, ours, logits, labels, weights)


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_mask_loss_is_the_stock_loss(generator, class_agnostic):
    stock, ours = pair("CrossEntropyLoss", use_mask=True, loss_weight=2.0)
    channels = 1 if class_agnostic else CLASSES
    logits = torch.randn(5, channels, 7, 7, generator=generator)
    target = torch.randint(0, 2, (5, 7, 7), generator=generator).float()
    index = torch.randint(0, channels, (5,), generator=generator)
    same_value_and_gradient(stock, ours, logits, target, index)


@pytest.mark.parametrize("wrong", [{"avg_factor": 2.0}, {"reduction_override": "sum"}])
def test_mask_loss_says_what_it_cannot_do(wrong):
    loss = build("PolyCrossEntropyLoss", use_mask=True, epsilon=-1.0)
    with pytest.raises(ValueError, match="mean over all pixels"):
        loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2), torch.zeros(1).long(), **wrong)


@pytest.mark.parametrize("target_form", ["index", "one-hot", "soft"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight_form", [None, "samples", "elements", "flat"])
@pytest.mark.parametrize("activated", [False, True])
def test_focal_loss_with_epsilon_0_is_the_stock_loss(
    generator, logits, labels, weight, target_form, reduction, weight_form, activated
):
    stock, ours = pair("FocalLoss", gamma=1.5, alpha=0.3, loss_weight=0.7, activated=activated)
    target = labels
    if target_form != "index":
        target = functional.one_hot(labels, CLASSES + 1)[:, :CLASSES]
    if target_form == "soft":
        target = 0.8 * target + 0.1
    elements = torch.rand(SAMPLES, CLASSES, generator=generator)
    forms = {None: None, "samples": weight, "elements": elements, "flat": elements.flatten()}
    override, avg_factor = reduction
    pred = logits.sigmoid() if activated else logits
    same_value_and_gradient(
        stock, ours, pred, target, forms[weight_form], avg_factor, reduction_override=override
    )


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "FocalLoss"])
def test_sum_with_avg_factor_is_refused_as_by_the_stock_loss(logits, labels, name):
    labels = labels.clamp(max=CLASSES - 1)
    for loss in pair(name):
        with pytest.raises(ValueError, match="avg_factor"):
            loss(logits, labels, avg_factor=3.0, reduction_override="sum")


@pytest.mark.parametrize(
    "name, use_sigmoid",
    [("CrossEntropyLoss", False)] * 1 + [("CrossEntropyLoss", True), ("FocalLoss", True)],
)
@pytest.mark.parametrize("epsilon", [0.0, -1.0, (1.0, -0.5)])
def test_empty_input_gives_zero_with_a_gradient(name, use_sigmoid, epsilon):
    loss = build(f"Poly{name}", use_sigmoid=use_sigmoid, epsilon=epsilon)
    logits = torch.zeros(0, CLASSES, requires_grad=True)
    label, weight = torch.zeros(0).long(), torch.zeros(0)
    value = loss(logits, label, weight, avg_factor=1.0)
    value.backward()
    assert value == 0 and logits.grad.shape == (0, CLASSES)
    assert loss(logits, label, weight, reduction_override="none").shape[0] == 0
    assert loss(logits, label, reduction_override="sum") == 0


def test_all_samples_of_weight_zero_give_zero(logits, labels):
    for name in ("PolyCrossEntropyLoss", "PolyFocalLoss"):
        loss = build(name, use_sigmoid=True, epsilon=-1.0)
        assert loss(logits, labels, torch.zeros(SAMPLES), avg_factor=0.0) == 0


def test_attributes_that_heads_read():
    stock, ours = pair("CrossEntropyLoss", use_sigmoid=True, class_weight=[1.0, 2.0])
    for name in ("use_sigmoid", "use_mask", "reduction", "loss_weight", "class_weight"):
        assert getattr(ours, name) == getattr(stock, name)
    for name in ("custom_cls_channels", "custom_activation", "custom_accuracy"):
        assert getattr(ours, name) is getattr(stock, name, False) is False
    assert build("PolyFocalLoss", epsilon=-1.0).use_sigmoid is True


def test_losses_have_nothing_that_a_checkpoint_would_hold():
    loss = build("PolyCrossEntropyLoss", class_weight=[1.0, 2.0], epsilon=-1.0)
    assert not loss.state_dict()


@pytest.mark.parametrize(
    "name, settings, message",
    [
        ("PolyCrossEntropyLoss", {"use_sigmoid": True, "use_mask": True}, "exclude each other"),
        ("PolyCrossEntropyLoss", {"reduction": "average"}, "reduction must be one of"),
        ("PolyFocalLoss", {"use_sigmoid": False}, "use_sigmoid=True"),
        ("PolyFocalLoss", {"alpha": 2.0}, "alpha must be a number in"),
        ("PolyFocalLoss", {"gamma": -1.0}, "gamma must be a finite number >= 0"),
        ("PolyFocalLoss", {"epsilon": float("nan")}, "finite"),
    ],
)
def test_wrong_settings_are_named(name, settings, message):
    with pytest.raises(ValueError, match=message):
        build(name, **settings)


def test_wrong_arguments_of_a_call_are_named(logits, labels):
    loss = build("PolyFocalLoss", epsilon=-1.0)
    with pytest.raises(ValueError, match="reduction_override must be None or one of"):
        loss(logits, labels, reduction_override="average")
    with pytest.raises(ValueError, match="fits neither the samples nor the elements"):
        loss(logits, labels, torch.ones(SAMPLES + 1))
