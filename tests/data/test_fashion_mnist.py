"""The embedded images: what is promised about them, and what happens when they are damaged."""

from itertools import pairwise

import numpy as np
import pytest

from polyrepro.data import DataError, load
from polyrepro.data.in_memory.fashion_mnist import EMBEDDED_FILE, load_fashion_mnist
from polyrepro.data.in_memory.long_tail import long_tailed_counts


def test_counts_and_balance():
    manifest = load("fashion_mnist").manifest
    expected = {"train": 1200, "validation": 200, "test": 1000}
    for split, per_class in expected.items():
        assert manifest["splits"][split]["per_class"] == [per_class] * 10


def test_every_prefix_of_the_training_images_is_balanced():
    labels = load("fashion_mnist").splits["train"].labels[:500]
    assert np.bincount(labels).tolist() == [50] * 10


def test_splits_share_no_image():
    splits = load("fashion_mnist").splits
    seen = {name: {image.tobytes() for image in split.images} for name, split in splits.items()}
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["validation"]
    assert not seen["validation"] & seen["test"]


def test_size_and_licence_of_the_file():
    assert EMBEDDED_FILE.stat().st_size <= 11e6
    assert "Zalando" in (EMBEDDED_FILE.parent / "LICENSE").read_text()


def test_normalisation_constants_are_those_of_the_training_images():
    data = load("fashion_mnist")
    pixels = data.splits["train"].images / 255
    assert pixels.mean() == pytest.approx(data.mean, abs=2e-3)
    assert pixels.std() == pytest.approx(data.std, abs=2e-3)


def test_one_flipped_byte_is_an_error_that_names_file_and_mend(tmp_path):
    damaged = tmp_path / "fashion_mnist.npz"
    raw = bytearray(EMBEDDED_FILE.read_bytes())
    raw[len(raw) // 2] ^= 1
    damaged.write_bytes(raw)
    with pytest.raises(DataError, match=r"fashion_mnist\.npz is damaged.*git checkout"):
        load_fashion_mnist(damaged)


def test_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*absent\.npz"):
        load_fashion_mnist(tmp_path / "absent.npz")


def test_unknown_data_set_lists_the_known_ones():
    with pytest.raises(DataError, match="unknown data set 'mnist'; known are: fashion_mnist"):
        load("mnist")


def test_long_tail_falls_exponentially_by_the_ratio_and_leaves_the_test_balanced():
    manifest = load("fashion_mnist_long_tail").manifest
    counts = manifest["splits"]["train"]["per_class"]
    assert counts[0] == 1200 and counts[-1] == 24
    ratios = [later / earlier for earlier, later in pairwise(counts)]
    assert ratios == pytest.approx([50 ** (-1 / 9)] * 9, rel=0.02)
    assert manifest["splits"]["test"] == load("fashion_mnist").manifest["splits"]["test"]


def test_long_tail_groups_cover_every_class_once():
    groups = load("fashion_mnist_long_tail").class_groups
    assert sorted(c for group in groups.values() for c in group) == list(range(10))
    assert [len(groups[name]) for name in ("head", "middle", "tail")] == [3, 4, 3]


def test_long_tailed_counts_of_two_classes():
    assert long_tailed_counts(largest=100, classes=2, ratio=4) == [100, 25]
