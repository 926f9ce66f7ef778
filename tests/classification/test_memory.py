"""A GPU whose memory is too small: smaller passes where they change nothing, else an error.

No GPU is needed: the network raises torch's error itself when it gets too many images.
"""

from types import SimpleNamespace

import pytest
import torch
from small_trainings import CROSS_ENTROPY, HERE, RECIPE, without_times
from timm.models import register_model
from torch import nn

from polyrepro.classification import evaluator
from polyrepro.classification.loop import train
from polyrepro.classification.memory import smaller_passes_are_the_same
from polyrepro.classification.models import ConvNet
from polyrepro.data import load
from polyrepro.running.gpu_memory import DeviceMemoryError
from polyrepro.running.jobs import train_and_record
from polyrepro.runs import Run
from polyrepro.variants import poly_loss

SMALL = RECIPE.model_copy(update={"epochs": 1})
LIMITS = {True: 10**6, False: 10**6}
"""Images that fit into memory, in training and in evaluation."""


def refuse(network: nn.Module, images: torch.Tensor) -> None:
    if len(images) > LIMITS[network.training]:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


class Linear(nn.Module):
    """No image changes what it says of another one."""

    def __init__(self, classes):
        super().__init__()
        self.classifier = nn.Linear(28 * 28, classes)

    def get_classifier(self):
        return self.classifier

    def forward(self, images):
        refuse(self, images)
        return self.classifier(images.flatten(1))


class Normalised(ConvNet):
    def forward(self, images):
        refuse(self, images)
        return super().forward(images)


@register_model
def polyrepro_test_linear(num_classes=10, **_from_timm):
    return Linear(num_classes)


@register_model
def polyrepro_test_normalised(num_classes=10, **_from_timm):
    return Normalised(num_classes=num_classes)


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


@pytest.fixture
def limits(monkeypatch):
    def limit(training=10**6, evaluation=10**6):
        monkeypatch.setitem(LIMITS, True, training)
        monkeypatch.setitem(LIMITS, False, evaluation)

    return limit


def run_of(model: str, **changes) -> Run:
    recipe = SMALL.model_copy(update={"model": f"polyrepro_test_{model}"} | changes)
    return Run(recipe=recipe, variant=CROSS_ENTROPY, seed=0)


def close(rows: list[dict], others: list[dict]) -> bool:
    """The same rows up to rounding."""
    pairs = zip(without_times(rows), without_times(others), strict=True)
    return all(
        a.pop("split") == b.pop("split") and a == pytest.approx(b, rel=1e-4, abs=1e-4)
        for a, b in pairs
    )


def test_an_evaluation_that_does_not_fit_goes_on_with_fewer_images_at_a_time(
    data, tmp_path, limits, capsys
):
    run = run_of("normalised")
    whole = train(run, data, HERE).history
    limits(evaluation=130)
    record = train_and_record(tmp_path, run, data, HERE)
    assert close(record["history"], whole)
    # 500, 250, 125: said once for the two halvings, and not again for later batches.
    texts = [
        f"the GPU ran out of memory while evaluating {before} images at a time; went on with "
        f"{after} at a time, which gives the same metrics up to rounding"
        for before, after in ((500, 250), (250, 125))
    ]
    assert record["notes"] == texts
    said = capsys.readouterr().err
    assert [line for line in said.splitlines() if "memory" in line] == [
        f"{run.id}: {text}" for text in texts
    ]


def test_a_compiled_network_gets_full_parts(data, limits, monkeypatch):
    sizes, linear = [], Linear.forward

    def forward(self, images):
        logits = linear(self, images)
        sizes.append((self.training, len(images)))
        return logits

    monkeypatch.setattr(Linear, "forward", forward)
    monkeypatch.setattr(evaluator, "compiles", lambda recipe, device: True)
    limits(evaluation=300)
    train(run_of("linear"), data, HERE)
    # 4,000 validation images and 10,000 test images are no multiples of anything here.
    assert {size for training, size in sizes if not training} == {250}


def test_passes_are_halved_where_no_image_changes_another_ones_gradient(
    data, tmp_path, limits, capsys
):
    run = run_of("linear")
    whole = train(run, data, HERE).history
    limits(training=40)
    record = train_and_record(tmp_path, run, data, HERE)
    assert close(record["history"], whole)
    assert record["notes"] == [
        f"the GPU ran out of memory with {before} images in a forward pass; went on with "
        f"{after}, which gives the same gradients up to rounding"
        for before, after in ((128, 64), (64, 32))
    ]
    assert f"{run.id}: the GPU ran out of memory with 128 images" in capsys.readouterr().err


@pytest.mark.parametrize(("model", "changes"), [("normalised", {}), ("linear", {"drop_path": 0.1})])
def test_other_passes_are_left_alone_and_the_error_says_why(data, tmp_path, limits, model, changes):
    limits(training=40)
    message = (
        r"fashion_mnist/cross_entropy/seed0 does not fit .* 2 GiB\)\. .*`overrides: "
        r"\{images_per_device: \.\.\.\}` to a divisor of the batch size 128 \(not done "
        r"unasked, because batch normalisation sees so many"
    )
    with pytest.raises(DeviceMemoryError, match=message):
        train_and_record(tmp_path, run_of(model, **changes), data, HERE)


def test_a_loss_that_weighs_classes_keeps_its_passes():
    weighted = CROSS_ENTROPY.model_copy(
        update={"loss": poly_loss(()).model_copy(update={"alpha": 0.25})}
    )
    data = SimpleNamespace(channels=1, classes=range(2))
    run = run_of("linear")
    assert smaller_passes_are_the_same(run, data, HERE)
    assert not smaller_passes_are_the_same(run.model_copy(update={"variant": weighted}), data, HERE)


def test_one_image_that_does_not_fit_is_an_error(data, tmp_path, limits):
    limits(evaluation=0)
    with pytest.raises(DeviceMemoryError, match="does not fit into the memory"):
        train_and_record(tmp_path, run_of("normalised"), data, HERE)


def test_a_run_that_fits_has_no_notes(data, tmp_path):
    assert "notes" not in train_and_record(tmp_path, run_of("normalised"), data, HERE)
