"""The long tail of ImageNet-1K: class sizes, the draw, and its independence of the layout."""

import dataclasses
from collections import Counter
from itertools import pairwise

import pytest
from image_trees import CLASSES, SMALL, pack_official, pack_tar, write_classes

from polyrepro.data import DataError
from polyrepro.data.indexed.image_datasets import imagenet1k, imagenet1k_long_tail
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.pareto_tail import ParetoTail, class_groups, imagenet_lt_sizes
from polyrepro.data.indexed.verification import verify

SIZES = (6, 4, 2, 1)


def long_tail(sizes=SIZES, seed=0):
    return dataclasses.replace(SMALL, name="small_tail", tail=ParetoTail(sizes, seed))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    write_classes(root / "train", per_class=9)
    write_classes(root / "val", per_class=2, first=100)
    return root


def found(root, output, dataset) -> tuple[IndexedImages, dict[str, list[str]]]:
    """A verified data set, and the names of its images by split."""
    verify(dataset, root, output)
    data = IndexedImages(output)
    names = {s: [data.index.name(row) for row in data.rows(s)] for s in data.manifest["splits"]}
    return data, names


def test_sizes_are_those_of_imagenet_lt():
    sizes = imagenet_lt_sizes()
    assert (len(sizes), sum(sizes), sizes[0], sizes[-1]) == (1000, 115_846, 1_280, 5)
    assert all(a >= b for a, b in pairwise(sizes))
    assert imagenet1k_long_tail().tail.sizes == sizes


def test_only_name_and_training_images_differ_from_imagenet():
    assert dataclasses.replace(imagenet1k_long_tail(), name="imagenet1k", tail=None) == imagenet1k()


def test_each_size_is_that_of_one_class_and_other_splits_are_whole(folders, tmp_path):
    data, names = found(folders, tmp_path, long_tail())
    assert sorted(data.manifest["splits"]["train"]["per_class"], reverse=True) == list(SIZES)
    assert {split: len(images) for split, images in names.items()} == {
        "train": sum(SIZES),
        "validation": 5,
        "test": 8,
    }
    assert not set(names["train"]) & set(names["validation"])


def test_the_draw_depends_on_the_seed_and_not_on_the_layout(folders, tmp_path):
    _, names = found(folders, tmp_path / "folders", long_tail())
    pack_official(folders / "train", tmp_path / "tars" / "ILSVRC2012_img_train.tar")
    pack_tar(folders / "val", tmp_path / "tars" / "val.tar")
    assert found(tmp_path / "tars", tmp_path / "packed", long_tail())[1] == names
    others = [
        found(folders, tmp_path / f"seed{seed}", long_tail(seed=seed))[1] for seed in range(1, 4)
    ]
    assert all(other["validation"] == names["validation"] for other in others)
    largest = {
        Counter(name.split("_")[0] for name in n["train"]).most_common()[0]
        for n in [names, *others]
    }
    assert len(largest) > 1


def test_a_smaller_tail_keeps_images_of_the_larger(folders, tmp_path):
    larger = set(found(folders, tmp_path / "larger", long_tail())[1]["train"])
    smaller = set(found(folders, tmp_path / "smaller", long_tail((4, 3, 2, 1)))[1]["train"])
    assert smaller < larger


def test_groups_of_classes_are_reported_apart(folders, tmp_path):
    data, _ = found(folders, tmp_path, long_tail())
    assert data.class_groups == {"head": (), "middle": (), "tail": (0, 1, 2, 3)}
    groups = class_groups([1280, 101, 100, 20, 19, 5])
    assert groups == {"head": [0, 1], "middle": [2, 3], "tail": [4, 5]}


def test_too_few_images_are_an_error(folders, tmp_path):
    with pytest.raises(
        DataError,
        match=r"train: the long tail needs [1-4] classes with 9 images or more, not counting those "
        r"held out; there are [0-3]\. Restore the data set",
    ):
        verify(long_tail((9, 9, 9, 9)), folders, tmp_path / "index")
    assert not (tmp_path / "index").exists()
    assert len(CLASSES) == len(SIZES)
