"""Alpha: what it does to the loss of two classes, and where it is refused."""

import pytest
import torch
from small_trainings import HERE

from polyrepro.classification.failures import TrainingError
from polyrepro.classification.initial_state import prepare
from polyrepro.classification.loop import train
from polyrepro.classification.metric_sums import Metrics
from polyrepro.data import load
from polyrepro.losses import PolySeries
from polyrepro.recipes import RECIPES
from polyrepro.runs import Run
from polyrepro.variants import Loss, Variant, focal

RECIPE = RECIPES["fashion_mnist_shirt"].model_copy(update={"epochs": 1, "train_images": 1280})


def run(alpha, recipe=RECIPE, gamma=2.0):
    loss = focal(gamma).loss.model_copy(update={"alpha": alpha})
    return Run(recipe=recipe, variant=Variant(name="weighted", loss=loss), seed=0)


def criterion(which):
    state = prepare(which, 1, 2, 10, Metrics(PolySeries(), {}), HERE.processes)
    return state.task.criterion


@pytest.mark.parametrize("alpha", [0.25, 0.9])
def test_the_loss_is_the_mean_weighted_by_alpha(alpha):
    logits, labels = torch.randn(64, 2), torch.arange(64) % 2
    pt = logits.softmax(1)[torch.arange(64), labels]
    weight = torch.where(labels == 1, alpha, 1 - alpha)
    expected = (weight * (1 - pt) ** 2 * -pt.log()).sum() / weight.sum()
    assert criterion(run(alpha))(logits, labels).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_half_is_no_weight():
    logits, labels = torch.randn(64, 2), torch.arange(64) % 2
    half, none = (criterion(run(alpha))(logits, labels).item() for alpha in (0.5, None))
    assert half == pytest.approx(none, rel=1e-6)


def test_a_large_alpha_finds_more_of_the_rare_class():
    data = load("fashion_mnist_shirt")
    found = [train(run(alpha), data, HERE).history[-1] for alpha in (0.1, 0.9)]
    assert found[0]["top1_rare"] + 5 < found[1]["top1_rare"]
    assert found[0]["top1_common"] > found[1]["top1_common"]
    assert all(
        end["top1"] == pytest.approx(0.9 * end["top1_common"] + 0.1 * end["top1_rare"])
        for end in found
    )


def test_other_than_two_classes_are_refused():
    recipe = RECIPES["fashion_mnist"]
    message = r"weighted/seed0: alpha = 0\.25 weighs two classes, and fashion_mnist has 10; leave"
    with pytest.raises(TrainingError, match=message):
        train(run(0.25, recipe), load("fashion_mnist"), HERE)


def test_several_passes_per_step_are_refused():
    recipe = RECIPE.model_copy(update={"images_per_device": 32})
    with pytest.raises(
        TrainingError, match=r"one forward pass, .* has 4; set images_per_device to 128"
    ):
        train(run(0.25, recipe), load("fashion_mnist_shirt"), HERE)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1, float("nan")])
def test_alpha_lies_between_0_and_1(alpha):
    with pytest.raises(ValueError, match="alpha"):
        Loss(alpha=alpha)
