"""What each of the processes of a run does: its share of a step and of an evaluation."""

import pytest
import torch
from small_trainings import HERE, POLY1, RECIPE
from timm.models import register_model
from torch import nn

from polyrepro.classification.batches import MemoryBatches, passes_of
from polyrepro.classification.loop import train
from polyrepro.classification.running_statistics import RunningStatistics
from polyrepro.data import load
from polyrepro.errors import DeviceError
from polyrepro.running.processes import Processes
from polyrepro.runs import Run


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


def test_passes_are_shared_equally_or_not_at_all():
    recipe = RECIPE.model_copy(update={"images_per_device": 32})
    shares = [passes_of(recipe, Processes(torch.device("cpu"), rank, 2)) for rank in (0, 1)]
    assert [list(share) for share in shares] == [[0, 2], [1, 3]]
    message = "takes 4 forward passes of 32 images per step, which 3 processes cannot share equally"
    with pytest.raises(DeviceError, match=message):
        passes_of(recipe, Processes(torch.device("cpu"), 0, 3))


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_evaluation_counts_every_image_once_whatever_the_number_of_processes(data, count):
    recipe = RECIPE.model_copy(update={"images_per_device": 16})
    if recipe.passes_per_step % count:
        recipe = recipe.model_copy(update={"batch_size": 16 * count})
    names = []
    for rank in range(count):
        batches = MemoryBatches(data, recipe, 0, Processes(torch.device("cpu"), rank, count))
        names += [name for batch in batches.evaluation("test", 300) for name in batch.names]
    assert len(names) == len(set(names)) == len(data.splits["test"].labels)


@register_model
def polyrepro_test_one_layer(in_chans=1, num_classes=10, **_from_timm):
    """A network without batch normalisation."""
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28 * in_chans, num_classes))


def test_accumulated_passes_give_the_gradient_of_the_whole_batch(data):
    changes = {"model": "polyrepro_test_one_layer", "epochs": 1, "train_images": 512}
    weights = []
    for images in (128, 32):
        recipe = RECIPE.model_copy(update={**changes, "images_per_device": images})
        state = train(Run(recipe=recipe, variant=POLY1, seed=0), data, HERE)
        weights.append(state.network[1].weight.detach())
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-6)
    assert weights[0].std() > 1e-3


def test_running_statistics_move_once_per_step_however_many_passes_it_takes():
    norm, images = nn.BatchNorm1d(2), torch.randn(4, 8, 2) + 3
    statistics = RunningStatistics(norm, Processes(torch.device("cpu")), 4)
    statistics.begin_step()
    for part in images:
        norm(part)
        statistics.end_pass()
    statistics.end_step()
    torch.testing.assert_close(norm.running_mean, 0.1 * images.mean(dim=(0, 1)))
