"""Images that grow over the training: a function of the epoch, through loader, loop and resume."""

import numpy as np
import pytest
import torch
from image_trees import SMALL, encoded, picture, write_tree
from PIL import Image
from pydantic import ValidationError
from small_trainings import ALONE, CROSS_ENTROPY, HERE, history, interrupted_at
from streaming_cases import recipe
from torch._dynamo.testing import CompileCounter

from polyrepro.classification import networks
from polyrepro.classification.initial_state import prepare
from polyrepro.classification.metric_sums import Metrics
from polyrepro.classification.streaming import StreamingBatches
from polyrepro.classification.views import Views
from polyrepro.data.decoding import open_image
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.verification import verify
from polyrepro.recipes import RECIPES, ClassificationRecipe
from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.run_folders import checkpoint_identity
from polyrepro.runs import Run

GROWTH = ((0.25, 32), (0.75, 40))
GROWING = recipe(epochs=4, image_size=48, evaluation_size=48, growth=GROWTH)
"""Epochs of 32, 40, 40 and 48 pixels, two steps each."""


@pytest.fixture
def data(tmp_path):
    verify(SMALL, write_tree(tmp_path / "images"), tmp_path / "index")
    return IndexedImages(tmp_path / "index")


def sizes(grown: ClassificationRecipe) -> list[int]:
    return [grown.image_size_at(epoch) for epoch in range(grown.epochs)]


def test_the_size_is_a_function_of_the_epoch_and_stretches_with_the_training():
    assert sizes(GROWING) == [32, 40, 40, 48]
    assert sizes(GROWING.model_copy(update={"epochs": 8})) == [32] * 2 + [40] * 4 + [48] * 2
    assert sizes(GROWING.model_copy(update={"epochs": 1})) == [32]
    assert sizes(recipe(epochs=3)) == [24] * 3


def test_the_short_recipe_has_three_sizes_and_the_last_in_the_last_quarter():
    short = RECIPES["resnet50_short"]
    assert sizes(short) == [128] * 7 + [160] * 7 + [192] * 4
    assert short.evaluation_size == 224 and short.shorter_side == 256
    assert short.label_smoothing == 0
    tail = sizes(RECIPES["resnet50_short_long_tail"])
    assert sorted(set(tail)) == [128, 160, 192] and tail == sorted(tail)


@pytest.mark.parametrize(
    "growth",
    [((0.5, 48),), ((0.5, 32), (0.5, 40)), ((0.2, 40), (0.5, 32)), ((0.0, 32),), ((1.0, 32),)],
)
def test_growth_that_does_not_ascend_is_refused(growth):
    with pytest.raises(
        ValidationError,
        match=r"recipe small: growth .* has to be pairs of a part of the epochs between 0 and 1 "
        r"and a size in pixels below image_size 48, both ascending",
    ):
        ClassificationRecipe.model_validate(GROWING.model_dump() | {"growth": growth})


@pytest.mark.parametrize("name", ["resnet50_short", "resnet50_short_long_tail"])
def test_recipes_that_grow_are_valid(name):
    ClassificationRecipe.model_validate(RECIPES[name].model_dump())


def test_every_size_shows_the_same_part_of_an_image():
    raw = encoded(picture(5, (200, 150)))
    small = recipe(epochs=1, image_size=96, growth=((0.9, 48),))
    one, other = Views(small, 0), Views(small.model_copy(update={"growth": ()}), 0)
    for row in range(5):
        shown = Image.fromarray(other.training(open_image(raw, ""), "", 0, row))
        expected = np.asarray(shown.resize((48, 48), Image.Resampling.BOX)).astype(int)
        found = one.training(open_image(raw, ""), "", 0, row)
        assert found.shape == (48, 48, 3)
        assert np.abs(found - expected).mean() < 6


def test_batches_have_the_size_of_their_epoch_whichever_was_read_before(data):
    source = StreamingBatches(data, GROWING, 0, ALONE, workers=0)

    def shapes(epoch):
        return {tuple(batch.images.shape[2:]) for step in source.train(epoch) for batch in step}

    for epoch in (3, 0, 1):
        assert shapes(epoch) == {(GROWING.image_size_at(epoch),) * 2}
    evaluated = next(source.evaluation("test"))
    assert evaluated.images.shape[2:] == (48, 48)


@pytest.mark.parametrize("step", [2, 3, 7])
def test_a_resumed_run_ends_with_the_same_bits(data, tmp_path, step):
    """Stopped at the end of the first size, within the second, and in the last epoch."""
    # The embedded network takes images of 25 to 32 pixels.
    sizes = {"growth": ((0.25, 26), (0.75, 28)), "image_size": 32, "evaluation_size": 30}
    growing = GROWING.model_copy(update={"model": "polyrepro_convnet", **sizes})
    run = Run(recipe=growing, variant=CROSS_ENTROPY, seed=0)
    undisturbed = history(run, data)

    def checkpoints():
        identity = checkpoint_identity(run, data.citation)
        return Checkpoints(tmp_path / "checkpoints", identity, ALONE)

    interrupted_at(run, data, step, checkpoints())
    assert history(run, data, HERE, checkpoints()) == undisturbed


def compilations(monkeypatch, grown: ClassificationRecipe) -> list[int]:
    """How many networks there are after each epoch of two trainings, evaluations included."""
    torch._dynamo.reset()
    counter, found = CompileCounter(), []
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1))
    compiled = torch.compile
    with monkeypatch.context() as patch:
        patch.setattr(networks, "compiles", lambda *_: True)  # only GPUs do
        patch.setattr(torch, "compile", lambda n, **how: compiled(n, backend=counter, **how))
        trained = networks._wrapped(network, grown, ALONE, in_memory=False)
    for epoch in [*range(grown.epochs)] * 2:
        size = grown.image_size_at(epoch)
        trained.train()(torch.zeros(2, 3, size, size)).sum().backward()
        with torch.no_grad():
            trained.eval()(torch.zeros(2, 3, grown.evaluation_size, grown.evaluation_size))
        found.append(counter.frame_count)
    return found


def test_a_compiled_network_is_compiled_once_per_size(monkeypatch):
    """Evaluation adds one; torch gives up at `recompile_limit` networks."""
    assert compilations(monkeypatch, GROWING) == [2, 3, 3, 4] + [4] * 4
    assert compilations(monkeypatch, recipe(epochs=2)) == [2] * 4
    assert torch._dynamo.config.recompile_limit >= 4


@pytest.mark.parametrize(("epochs", "warmup"), [(5, 1), (18, 2)])
def test_a_linear_schedule_rises_then_falls_to_zero(epochs, warmup):
    steps = 4
    run = Run(
        recipe=recipe(epochs=epochs, warmup_epochs=warmup, schedule="linear", learning_rate=0.4),
        variant=CROSS_ENTROPY,
        seed=0,
    )
    state = prepare(run, 3, 4, steps, Metrics(run.loss.build(), {}), ALONE)
    rates = []
    for position in range(epochs * steps + 1):
        state.scheduler.step_update(position)
        rates.append(state.optimizer.param_groups[0]["lr"])
    expected = np.interp(range(len(rates)), [0, warmup * steps, epochs * steps], [0, 0.4, 0])
    np.testing.assert_allclose(rates, expected, atol=1e-12)
