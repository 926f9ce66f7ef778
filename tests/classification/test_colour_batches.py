"""Coloured images in memory: what the network is shown, and trainings that repeat to the bit."""

import dataclasses

import numpy as np
import pytest
import timm
import torch
from small_folders import write_folders
from small_trainings import ALONE, CROSS_ENTROPY, history, interrupted_at
from torch.nn import functional

from polyrepro.classification.colour_batches import ColourBatches
from polyrepro.data.in_memory.images32 import open_images32, verify_images32
from polyrepro.data.manifests import write_manifest
from polyrepro.recipes import RECIPES
from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.run_folders import checkpoint_identity
from polyrepro.runs import Run

RECIPE = RECIPES["resnet9_quarter_images32"].model_copy(
    update={"epochs": 2, "batch_size": 16, "images_per_device": 8, "max_shift": 4, "cutout": 6}
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images32")
    manifest, _ = verify_images32("images32", write_folders(folder / "data"), folder)
    write_manifest(folder, manifest)
    return open_images32("images32", folder)


def batches(data, seed=0, **changes):
    return ColourBatches(data, RECIPE.model_copy(update=changes), seed, ALONE)


def shown(batch, data):
    """The pixels that a batch shows, uint8; what is hidden has the mean colour."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (data.mean, data.std))
    return (255 * (batch.images * std + mean)).round().to(torch.uint8)


def original(data, batch):
    """The training images of a batch, (images, 3, 32, 32)."""
    numbers = [int(name.removeprefix("training image ")) for name in batch.names]
    return torch.from_numpy(data.splits["train"].images[numbers]).permute(0, 3, 1, 2)


def epoch(source, number=0):
    return [batch for passes in source.train(number) for batch in passes]


def test_without_augmentation_images_and_labels_are_those_of_the_data(data):
    for batch in epoch(batches(data, max_shift=0, cutout=0, horizontal_flip=False)):
        assert torch.equal(shown(batch, data), original(data, batch))
        numbers = [int(name.split()[-1]) for name in batch.names]
        assert batch.targets.tolist() == data.splits["train"].labels[numbers].tolist()
        assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_shifted_images_are_parts_of_what_mirrors_around_them_would_show(data):
    """Every one of the 81 windows is compared, with torch's own padding."""
    found = set()
    for number in range(6):
        for batch in epoch(batches(data, cutout=0, horizontal_flip=False), number):
            wide = functional.pad(original(data, batch).float(), (4,) * 4, mode="reflect")
            for image, around in zip(shown(batch, data), wide.to(torch.uint8), strict=True):
                places = [
                    (row, column)
                    for row in range(9)
                    for column in range(9)
                    if torch.equal(around[:, row : row + 32, column : column + 32], image)
                ]
                assert places
                found.add(places[0])
    rows, columns = zip(*found, strict=True)
    assert {0, 8} <= set(rows) and {0, 8} <= set(columns)


def test_about_half_of_the_images_are_mirrored(data):
    mirrored = []
    for batch in epoch(batches(data, max_shift=0, cutout=0)):
        for image, before in zip(shown(batch, data), original(data, batch), strict=True):
            turned = torch.equal(image, before.flip(-1))
            assert turned or torch.equal(image, before)
            mirrored.append(turned)
    assert 0.25 < np.mean(mirrored) < 0.75


def test_cutout_hides_one_square_inside_each_image(data):
    corners = set()
    for batch in epoch(batches(data, max_shift=0, horizontal_flip=False)):
        for image in batch.images:
            rows, columns = torch.nonzero((image == 0).all(dim=0), as_tuple=True)
            assert len(rows) == 36
            assert rows.max() - rows.min() == columns.max() - columns.min() == 5
            corners.add((int(rows.min()), int(columns.min())))
    assert len(corners) > 20


def test_what_an_image_shows_depends_on_seed_and_epoch_but_not_on_its_batch(data):
    def by_name(source, number=0):
        return {
            name: image
            for batch in epoch(source, number)
            for name, image in zip(batch.names, batch.images, strict=True)
        }

    first, smaller = by_name(batches(data)), by_name(batches(data, images_per_device=4))
    assert first.keys() == smaller.keys()
    assert all(torch.equal(first[name], smaller[name]) for name in first)
    for other in (by_name(batches(data, seed=1)), by_name(batches(data), 1)):
        common = first.keys() & other.keys()
        assert any(not torch.equal(first[name], other[name]) for name in common)


def test_evaluation_shows_every_image_once_as_it_is(data):
    (batch,) = batches(data).evaluation("test")
    split = data.splits["test"]
    assert torch.equal(shown(batch, data), torch.from_numpy(split.images).permute(0, 3, 1, 2))
    assert batch.targets.tolist() == split.labels.tolist()


def test_a_training_repeats_to_the_bit_and_goes_on_after_an_interruption(data, tmp_path):
    run = Run(recipe=RECIPE, variant=CROSS_ENTROPY, seed=0)
    uninterrupted = history(run, data)
    checkpoints = Checkpoints(
        tmp_path / "checkpoints", checkpoint_identity(run, data.citation), ALONE
    )
    interrupted_at(run, data, 2, checkpoints)
    assert history(run, data, checkpoints=checkpoints) == uninterrupted


def test_the_small_network_learns_what_garments_look_like(data):
    changes = {"epochs": 20, "images_per_device": 16, "cutout": 0, "learning_rate": 0.01}
    recipe = RECIPE.model_copy(update=changes)
    rows = history(Run(recipe=recipe, variant=CROSS_ENTROPY, seed=0), data)
    assert next(row["top1"] for row in rows if row["split"] == "test") > 80


def test_the_recipe_for_a_gpu_takes_a_step_on_a_cpu(data):
    small = {"epochs": 1, "batch_size": 16, "images_per_device": 16, "train_images": 16}
    recipe = RECIPES["resnet9_images32"].model_copy(update=small)
    rows = history(Run(recipe=recipe, variant=CROSS_ENTROPY, seed=0), data)
    assert [row["split"] for row in rows] == ["train", "validation", "test"]


def test_half_precision_on_a_cpu_changes_a_training_slightly(data):
    def first_loss(precision):
        recipe = RECIPE.model_copy(update={"cpu_precision": precision, "epochs": 1})
        return history(Run(recipe=recipe, variant=CROSS_ENTROPY, seed=0), data)[0]["loss"]

    single, half = first_loss("float32"), first_loss("bfloat16")
    assert half != single and half == pytest.approx(single, rel=0.05)


@pytest.mark.parametrize("name", ["polyrepro_resnet9", "polyrepro_resnet9_quarter"])
def test_logits_stay_in_single_precision_under_autocast(name):
    network = timm.create_model(name, in_chans=3, num_classes=7)
    network.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 7) and logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())


def test_grey_and_coloured_data_say_so(data):
    grey = dataclasses.replace(
        data,
        splits={n: dataclasses.replace(s, images=s.images[..., 0]) for n, s in data.splits.items()},
    )
    assert (grey.channels, data.channels) == (1, 3)
