"""One class against the rest: the same images, two labels."""

import numpy as np
import pytest

from polyrepro.data import DataError, load
from polyrepro.data.in_memory.two_classes import one_against_rest


def test_shirts_are_a_tenth_of_every_split_and_no_image_changes():
    whole, data = load("fashion_mnist"), load("fashion_mnist_shirt")
    assert data.classes == ("other", "shirt")
    assert data.class_groups == {"common": (0,), "rare": (1,)}
    shirt = whole.classes.index("shirt")
    for name, split in data.splits.items():
        assert split.images is whole.splits[name].images or np.array_equal(
            split.images, whole.splits[name].images
        )
        assert np.array_equal(split.labels == 1, whole.splits[name].labels == shirt)
        assert np.bincount(split.labels).tolist() == [
            9 * len(split.labels) // 10,
            len(split.labels) // 10,
        ]


def test_a_class_that_does_not_exist_is_an_error_that_names_those_that_do():
    with pytest.raises(DataError, match=r"fashion_mnist has no class 'hat'.*it has T-shirt/top, "):
        one_against_rest(load("fashion_mnist"), "hat")


def test_of_many_classes_the_error_names_the_first():
    with pytest.raises(DataError, match=r"no class 'hat'.* \.\.\.$"):
        one_against_rest(load("kanji"), "hat")
