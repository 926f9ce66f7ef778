"""Training: reproducible, paired between variants, and stopped by a loss that is not finite."""

import itertools
import json

import numpy as np
import pytest
import torch
from small_trainings import ALONE, CROSS_ENTROPY, HERE, POLY1, history
from timm.models import register_model
from torch import nn

from polyrepro.classification import initial_state
from polyrepro.classification.batches import MemoryBatches
from polyrepro.classification.failures import TrainingError
from polyrepro.classification.loop import train
from polyrepro.classification.metric_sums import Metrics
from polyrepro.data import load
from polyrepro.files import progress_path, record_path
from polyrepro.losses import PolySeries
from polyrepro.recipes.fashion_mnist import FASHION_MNIST
from polyrepro.running.jobs import train_and_record
from polyrepro.running.records import finished_record
from polyrepro.runs import Run
from polyrepro.variants import Variant

SMALL = FASHION_MNIST.model_copy(update={"epochs": 1, "train_images": 600})


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


def run(variant=CROSS_ENTROPY, seed=0, recipe=SMALL):
    return Run(recipe=recipe, variant=variant, seed=seed)


def prepared(which, steps=4):
    """The state of a run before its first step."""
    metrics = Metrics(PolySeries(), {})
    return initial_state.prepare(which, 1, 10, steps, metrics, ALONE)


def passes(batches, epoch):
    """The forward passes of an epoch, one after the other."""
    return [batch for step in batches.train(epoch) for batch in step]


def sized(images):
    """The recipe with another batch size, one pass per step."""
    return SMALL.model_copy(update={"batch_size": images, "images_per_device": images})


def test_same_seed_gives_the_same_bits_and_another_seed_does_not(data):
    first = history(run(), data)
    torch.rand(7)  # what ran before must not matter
    assert history(run(), data) == first
    assert history(run(seed=1), data) != first


def test_variants_of_one_seed_share_weights_order_and_augmentation(data):
    states = [prepared(which) for which in (run(CROSS_ENTROPY), run(POLY1), run(POLY1, seed=1))]
    weights = [torch.cat([p.flatten() for p in state.task.parameters()]) for state in states]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    batches = [MemoryBatches(data, SMALL, 0, ALONE) for _ in range(2)]
    for a, b in zip(passes(batches[0], 3), passes(batches[1], 3), strict=True):
        assert torch.equal(a.images, b.images) and torch.equal(a.targets, b.targets)


def test_an_epoch_shows_every_image_at_most_once_and_epochs_differ(data):
    batches = MemoryBatches(data, sized(100), 0, ALONE)
    epochs = [torch.cat([b.targets for b in passes(batches, epoch)]) for epoch in (0, 1)]
    assert torch.bincount(epochs[0]).tolist() == [60] * 10
    assert not torch.equal(epochs[0], epochs[1])


def test_augmentation_of_an_image_does_not_depend_on_its_batch(data):
    """The same image in the same epoch looks the same whatever the batch size."""

    def images_by_content(batch_size):
        batches = MemoryBatches(data, sized(batch_size), 0, ALONE)
        return torch.cat([batch.images for batch in passes(batches, 0)])

    assert torch.equal(images_by_content(100), images_by_content(300))


def test_without_augmentation_batches_hold_the_images_as_they_are(data):
    recipe = sized(600).model_copy(update={"max_shift": 0, "horizontal_flip": False})
    (batch,) = passes(MemoryBatches(data, recipe, 0, ALONE), 0)
    pixels = (batch.images.squeeze(1) * data.std + data.mean) * 255
    originals = {image.tobytes() for image in data.splits["train"].images[:600]}
    shown = {image.tobytes() for image in pixels.round().byte().numpy()}
    assert shown == originals


@pytest.mark.parametrize("flip", [True, False])
def test_augmented_images_are_shifted_over_black_and_perhaps_mirrored(data, flip):
    recipe = sized(600).model_copy(update={"max_shift": 1, "horizontal_flip": flip})
    (batch,) = passes(MemoryBatches(data, recipe, 0, ALONE), 0)
    expected = {}
    for image in data.splits["train"].images[:600]:
        padded = np.pad(image, 1)
        for row, column in itertools.product(range(3), range(3)):
            shown = padded[row : row + 28, column : column + 28]
            expected[shown.tobytes()] = (row, column, False)
            if flip:
                expected[shown[:, ::-1].tobytes()] = (row, column, True)
    pixels = ((batch.images.squeeze(1) * data.std + data.mean) * 255).round().byte().numpy()
    seen = {expected[image.tobytes()] for image in pixels}
    assert len(seen) == (18 if flip else 9)


def test_the_runs_of_a_batch_share_the_images(data):
    first, second = (
        next(MemoryBatches(data, SMALL, seed, ALONE).evaluation("test")).images for seed in (0, 1)
    )
    assert first.data_ptr() == second.data_ptr()


def test_evaluation_shows_every_image_once_in_order(data):
    batches = MemoryBatches(data, SMALL, 0, ALONE)
    labels = torch.cat([batch.targets for batch in batches.evaluation("test", batch_size=300)])
    assert labels.tolist() == data.splits["test"].labels.tolist()


def test_history_has_the_promised_metrics(data):
    rows = train(run(), data, HERE).history
    end = {row["split"]: row for row in rows if row["epoch"] == 1}
    assert set(end) == {"train", "validation", "test"}
    for row in end.values():
        assert {"loss", "cross_entropy", "top1", "mean_pt", "ece", "leading_share"} <= set(row)
    assert end["train"]["images_per_second"] > 0
    assert end["test"]["loss"] == pytest.approx(end["test"]["cross_entropy"])
    assert end["test"]["top1"] > 20  # ten classes: learning has begun
    # Four steps cannot be parted in five; no time has two rows.
    assert [row["epoch"] for row in rows if row["split"] == "train"] == [0.25, 0.5, 0.75, 1]


def learning_rates(factor, steps):
    variant = Variant(name="x", learning_rate_factor=factor)
    state = prepared(run(variant), steps)
    rates = []
    for step in range(steps):
        state.scheduler.step_update(step)
        rates.append(state.optimizer.param_groups[0]["lr"])
    return rates


def test_learning_rate_warms_up_falls_to_zero_and_follows_the_factor():
    rates = learning_rates(1.0, steps=100)
    assert rates[0] == 0
    assert abs(rates.index(max(rates)) - 50) <= 1  # half an epoch of warm-up
    assert rates[-1] < 1e-3 * SMALL.learning_rate
    assert learning_rates(2.0, steps=100) == pytest.approx([2 * rate for rate in rates])


def test_a_loss_that_is_not_finite_stops_before_the_step_and_names_it(data, monkeypatch, tmp_path):
    forward = initial_state.SeriesCrossEntropyLoss.forward
    calls = []

    def fails_at_third_step(self, *arguments):
        calls.append(1)
        return forward(self, *arguments) * (float("nan") if len(calls) == 3 else 1)

    monkeypatch.setattr(initial_state.SeriesCrossEntropyLoss, "forward", fails_at_third_step)
    message = (
        r"cross_entropy/seed0: the loss is nan at step 3 \(epoch 1\); all weights and running "
        r"statistics of the network are finite\. .* were: training image \d+, .* and 118 more"
    )
    with pytest.raises(TrainingError, match=message):
        train_and_record(tmp_path, run(), data, HERE)
    assert finished_record(tmp_path, run(), data.citation) is None
    assert list(tmp_path.rglob("*.json")) == [progress_path(tmp_path, run().id)]


class BreaksInEvaluation(nn.Module):
    """Trains well; what evaluation normalises with becomes infinite meanwhile."""

    def __init__(self, classes):
        super().__init__()
        self.norm, self.classifier = nn.BatchNorm1d(28 * 28), nn.Linear(28 * 28, classes)

    def get_classifier(self):
        return self.classifier

    def forward(self, images):
        logits = self.classifier(self.norm(images.flatten(1)))
        if self.training:
            self.norm.running_mean = torch.full((28 * 28,), float("inf"))
        return logits


@register_model
def polyrepro_test_breaks_in_evaluation(num_classes=10, **_from_timm):
    return BreaksInEvaluation(num_classes)


def test_an_evaluation_that_is_not_finite_names_run_and_split_and_leaves_nothing(
    data, tmp_path, monkeypatch
):
    recipe = SMALL.model_copy(update={"model": "polyrepro_test_breaks_in_evaluation"})
    monkeypatch.setattr(Run, "gives_weights", True)
    message = (
        r"fashion_mnist/cross_entropy/seed0: the evaluation of the validation split after epoch 1 "
        r"gives loss nan, .*; not finite in the network: norm\.running_mean\. Lower the learning"
    )
    with pytest.raises(TrainingError, match=message):
        train_and_record(tmp_path, run(recipe=recipe), data, HERE)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"]
    assert left == [progress_path(tmp_path, run().id)]


def test_record_is_complete_and_cites_its_data(data, tmp_path):
    record = train_and_record(tmp_path, run(POLY1), data, HERE)
    stored = json.loads(record_path(tmp_path, "fashion_mnist/poly1_e+2/seed0").read_text())
    assert stored["loss"] == {
        "series": "PolySeries",
        "arguments": {"epsilon": [2.0]},
        "label_smoothing": None,
        "alpha": None,
    }
    assert stored["data"]["splits"]["test"]["sha256"] == data.splits["test"].sha256()
    assert {"python", "versions", "commit", "processor"} <= set(stored["environment"])
    assert stored["history"] == record["history"]


def test_a_record_of_another_recipe_is_not_taken_for_finished(data, tmp_path):
    train_and_record(tmp_path, run(), data, HERE)
    longer = SMALL.model_copy(update={"epochs": 2})
    assert finished_record(tmp_path, run(), data.citation) is not None
    assert finished_record(tmp_path, run(recipe=longer), data.citation) is None
    assert finished_record(tmp_path, run(seed=1), data.citation) is None
