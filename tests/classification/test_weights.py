"""Weights from a file: what a fine-tuning starts from, and what is refused."""

import hashlib
import os

import pytest
import safetensors.torch
import torch
from small_trainings import HERE, RECIPE, RUN
from timm.models import create_model

from polyrepro.classification.classifier_training import train_run
from polyrepro.classification.weights import WeightsError, load_initial_weights, write_weights
from polyrepro.data import load
from polyrepro.recipes import RECIPES
from polyrepro.runs import InitialWeights


def network(classes=10):
    return create_model("test_efficientnet", num_classes=classes)


def given(path):
    return InitialWeights(path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "w.safetensors"
    write_weights(path, network())
    return path


def test_all_but_the_classifier_is_taken_over(file):
    """The data set of the pre-training has other classes."""
    new = network(classes=7)
    classifier = new.get_classifier().weight.clone()
    load_initial_weights(new, given(file))
    saved = safetensors.torch.load_file(file)
    for name, value in new.state_dict().items():
        if not name.startswith("classifier."):
            assert torch.equal(value, saved[name])
    assert torch.equal(new.get_classifier().weight, classifier)


@pytest.mark.parametrize("key", [None, "state_dict"])
def test_a_plain_state_dict_of_torch_is_read(tmp_path, key):
    old, new = network(), network()
    state = old.state_dict()
    torch.save({key: state} if key else state, tmp_path / "w.pth")
    load_initial_weights(new, given(tmp_path / "w.pth"))
    assert torch.equal(new.conv_stem.weight, old.conv_stem.weight)


def test_a_changed_file_is_refused(file):
    weights = given(file)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match=r"not the requested ones: sha256 is .* expected"):
        load_initial_weights(network(), weights)


def test_a_missing_file_is_named(tmp_path):
    weights = InitialWeights(path=str(tmp_path / "none.safetensors"), sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"cannot read the weights .*none.safetensors: No such"):
        load_initial_weights(network(), weights)


def test_code_in_a_pickle_is_not_run(tmp_path):
    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"state_dict": Malicious()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="are refused: neither safetensors nor a plain state"):
        load_initial_weights(network(), given(tmp_path / "w.pth"))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"w.{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights .*w\..* (are refused|hold no state dict)"):
        load_initial_weights(network(), given(path))


def test_weights_of_another_network_are_refused(tmp_path):
    write_weights(tmp_path / "w.safetensors", create_model("test_resnet"))
    with pytest.raises(WeightsError, match=r"not of this network \(EfficientNet\): .* is missing"):
        load_initial_weights(network(), given(tmp_path / "w.safetensors"))


def test_a_run_that_others_start_from_leaves_its_moving_average(tmp_path, monkeypatch):
    recipe = RECIPE.model_copy(
        update={"epochs": 1, "train_images": 256, "ema_decay": 0.5, "name": "before"}
    )
    after = RECIPES["fashion_mnist"].model_copy(update={"name": "after", "pretraining": "before"})
    monkeypatch.setitem(RECIPES, "after", after)
    run = RUN.model_copy(update={"recipe": recipe})
    outcome = train_run(run, load("fashion_mnist"), tmp_path, "x", HERE)
    file = tmp_path / "weights.safetensors"
    assert outcome.weights == hashlib.sha256(file.read_bytes()).hexdigest()
    model = create_model("polyrepro_convnet")
    load_initial_weights(model, InitialWeights(path=str(file), sha256=outcome.weights))
