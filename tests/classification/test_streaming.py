import multiprocessing
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from image_trees import CLASSES, SMALL, pack_official, pack_tar, write_tree
from PIL import Image
from streaming_cases import recipe

from polyrepro.classification.streaming import StreamingBatches, evenly_spaced
from polyrepro.classification.views import Views
from polyrepro.data import DataError
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.verification import verify
from polyrepro.errors import DeviceError
from polyrepro.running.interruption import SIGNALS
from polyrepro.running.processes import Processes

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="module")
def data(folders, tmp_path_factory):
    """19 training, 5 validation and 8 test images."""
    output = tmp_path_factory.mktemp("index")
    verify(SMALL, folders, output)
    return IndexedImages(output)


def batches(data, *, seed=0, rank=0, world=1, workers=0, **changes):
    processes = Processes(CPU, rank, world)
    return StreamingBatches(data, recipe(**changes), seed, processes, workers)


def steps(source, epoch=0, first_step=0):
    """Bytes, targets and names of every micro-batch of every step."""
    return [[_content(batch) for batch in step] for step in source.train(epoch, first_step)]


def _content(batch):
    return batch.images.numpy().tobytes(), batch.targets.tolist(), batch.names


def test_a_step_is_a_full_batch_cut_into_micro_batches(data):
    source = batches(data)
    assert (source.train_images, source.steps_per_epoch) == (19, 2)
    epoch = list(source.train(0))
    assert [[len(batch.images) for batch in step] for step in epoch] == [[2] * 4] * 2
    assert epoch[0][0].images.shape == (2, 3, 24, 24)
    assert epoch[0][0].images.is_contiguous() and epoch[0][0].targets.dtype == torch.int64
    names = [name for step in epoch for batch in step for name in batch.names]
    assert len(set(names)) == 16
    for step in epoch:
        for batch in step:
            assert [CLASSES[t] in n for t, n in zip(batch.targets, batch.names, strict=True)] == (
                [True] * 2
            )


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(data, workers):
    expected = [steps(batches(data), epoch) for epoch in (0, 1)]
    source = batches(data, workers=workers)
    assert [steps(source, epoch) for epoch in (0, 1)] == expected
    evaluated = [_content(batch) for batch in source.evaluation("test")]
    assert evaluated == [_content(batch) for batch in batches(data).evaluation("test")]
    assert steps(source, 1) == expected[1]


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_the_same_micro_batches(data, world):
    shares = [steps(batches(data, rank=rank, world=world)) for rank in range(world)]
    for number, whole in enumerate(steps(batches(data))):
        dealt = [None] * len(whole)
        for rank in range(world):
            dealt[rank::world] = shares[rank][number]
        assert dealt == whole


@pytest.mark.parametrize("first_step", [0, 1, 2])
def test_from_a_step_on_an_epoch_is_its_tail(data, first_step):
    assert steps(batches(data), 3, first_step) == steps(batches(data), 3)[first_step:]


def test_order_and_views_change_with_epoch_and_seed(data):
    first = steps(batches(data))
    assert steps(batches(data)) == first
    assert steps(batches(data), epoch=1) != first
    assert steps(batches(data, seed=1)) != first


def test_size_of_micro_batches_changes_neither_order_nor_views(data):
    def images(**changes):
        epoch = batches(data, **changes).train(0)
        return torch.cat([batch.images for step in epoch for batch in step])

    assert torch.equal(images(images_per_device=2), images(images_per_device=8))
    assert torch.equal(images(batch_size=16), images(batch_size=8))


def test_tar_files_give_the_batches_of_folders(folders, data, tmp_path):
    pack_official(folders / "train", tmp_path / "tars" / "ILSVRC2012_img_train.tar")
    pack_tar(folders / "val", tmp_path / "tars" / "val.tar")
    verify(SMALL, tmp_path / "tars", tmp_path / "index")
    packed = IndexedImages(tmp_path / "index")

    def pixels(source):
        return [[content[:2] for content in step] for step in steps(source)]

    assert pixels(batches(packed, workers=2)) == pixels(batches(data))


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_counts_every_image_once(data, world, split):
    seen = Counter()
    for rank in range(world):
        for batch in batches(data, rank=rank, world=world).evaluation(split):
            seen.update(batch.names)
    assert seen == Counter(data.where(row) for row in data.rows(split))


def test_normalisation_is_that_of_the_data_set(data):
    batch = next(batches(data, channels_last=True).evaluation("test"))
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    with Image.open(batch.names[0]) as image:
        pixels = torch.tensor(Views(recipe(), 0).evaluation(image, "")) / 255
    expected = (pixels - torch.tensor(data.mean)) / torch.tensor(data.std)
    torch.testing.assert_close(batch.images[0], expected.permute(2, 0, 1), atol=1e-5, rtol=0)
    plain = next(batches(data).evaluation("test"))
    assert plain.images.is_contiguous() and torch.equal(plain.images, batch.images)


def test_several_classes_become_targets_that_sum_to_one(folders, tmp_path):
    labels = tmp_path / "labels.csv"
    image = f"{CLASSES[0]}/{CLASSES[0]}_100.JPEG"
    labels.write_text(f"image,synsets\n{image},{CLASSES[0]} {CLASSES[3]}\n")
    verify(SMALL, folders, tmp_path / "index", multi_label=labels)
    batch = next(batches(IndexedImages(tmp_path / "index")).evaluation("test"))
    assert batch.targets.tolist() == [[0.5, 0, 0, 0.5], [1, 0, 0, 0]]
    assert batch.targets.dtype == torch.float32


def test_fewer_training_images_keep_the_balance_of_classes(data):
    source = batches(data, train_images=8)
    assert (source.train_images, source.steps_per_epoch) == (8, 1)
    labels = [
        label for step in source.train(0) for batch in step for label in batch.targets.tolist()
    ]
    assert set(Counter(labels)) == {0, 1, 2, 3}
    assert evenly_spaced(np.arange(10), 4).tolist() == [0, 2, 5, 7]
    assert evenly_spaced(np.arange(3), 4).tolist() == [0, 1, 2]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_less_data_than_a_batch_is_one_short_step_of_as_many_passes(data, world):
    sizes = []
    for rank in range(world):
        source = batches(data, rank=rank, world=world, batch_size=32, images_per_device=8)
        assert source.steps_per_epoch == 1
        (step,) = source.train(0)
        sizes.append([len(batch.images) for batch in step])
    assert sorted(size for share in sizes for size in share) == [4, 5, 5, 5]
    assert {len(share) for share in sizes} == {4 // world}


def test_passes_that_cannot_be_shared_or_filled_are_refused(data):
    with pytest.raises(DeviceError, match=r"4 forward passes .* 3 processes cannot share equally"):
        batches(data, world=3)
    with pytest.raises(DataError, match=r"small: 3 training images are too few for the 4 passes"):
        batches(data, train_images=3)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_stops_training_when_its_turn_comes(folders, tmp_path, workers):
    root = shutil.copytree(folders, tmp_path / "data")
    verify(SMALL, root, tmp_path / "index")
    data = IndexedImages(tmp_path / "index")
    expected = steps(batches(data))
    name = expected[1][2][2][1]
    size = os.path.getsize(name)
    with open(name, "wb") as file:
        file.write(bytes(size))
    epoch = batches(data, workers=workers).train(0)
    assert [_content(batch) for batch in next(epoch)] == expected[0]
    with pytest.raises(DataError) as error:
        next(epoch)
    assert str(error.value).startswith(f"cannot decode the image {name}: ")


def test_two_passes_at_once_are_refused(data):
    source = batches(data)
    epoch = source.train(0)
    next(epoch)
    next(source.evaluation("test"))
    with pytest.raises(RuntimeError, match="another pass has begun"):
        next(epoch)


@pytest.mark.parametrize("number", SIGNALS)
def test_workers_outlive_the_signals_of_a_scheduler(data, number):
    before = set(multiprocessing.active_children())
    source = batches(data, workers=1, batch_size=4)
    epoch = source.train(0)
    read = [next(epoch)]
    (worker,) = set(multiprocessing.active_children()) - before
    # SIGTERM goes to any thread that does not block it, and libraries start threads of their own;
    # the one that waits for it shows as not blocking.
    states = [path.read_text() for path in Path(f"/proc/{worker.pid}/task").glob("*/status")]
    blocked = [int(re.search(r"SigBlk:\s*(\w+)", state)[1], 16) for state in states]
    assert sum(not mask & 1 << (signal.SIGTERM - 1) for mask in blocked) == 1
    subprocess.run(["kill", f"-{number}", str(worker.pid)], check=True)
    read += epoch
    assert [[_content(batch) for batch in step] for step in read] == steps(
        batches(data, batch_size=4)
    )
    assert worker.is_alive()


def test_reading_draws_nothing_from_the_global_generator(data):
    state = torch.get_rng_state()
    steps(batches(data, workers=1))
    assert torch.equal(torch.get_rng_state(), state)
