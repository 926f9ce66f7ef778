"""The embedded characters: what is promised about them, and what happens to unusable requests."""

import csv

import numpy as np
import pytest

from polyrepro.data import DataError, load
from polyrepro.data.in_memory.class_subsets import fewer_classes
from polyrepro.data.in_memory.kanji import EMBEDDED_FILE, KANJI_DATASETS, load_kanji, unpack
from polyrepro.data.in_memory.label_noise import noisy_labels
from polyrepro.data.in_memory.long_tail import hashed_order

PER_CLASS = {"train": 18, "validation": 2, "test": 8}
FOLDER = EMBEDDED_FILE.parent


@pytest.fixture(scope="module")
def kanji():
    return load_kanji()


@pytest.fixture(scope="module")
def typefaces():
    with (FOLDER / "kanji_typefaces.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_thousand_classes_equally_often_in_every_split(kanji):
    assert len(set(kanji.classes)) == 1000
    for split, per_class in PER_CLASS.items():
        assert np.bincount(kanji.split(split).labels).tolist() == [per_class] * 1000
        assert kanji.split(split).labels[:1000].tolist() == list(range(1000))


def test_classes_are_characters_of_jis_level_1_in_its_order(kanji):
    codes = [character.encode("euc-jp") for character in kanji.classes]
    assert codes == sorted(codes)
    assert all(16 <= row - 0xA0 <= 47 for row, _ in codes)


def test_no_image_occurs_twice(kanji):
    images = [image.tobytes() for split in kanji.splits.values() for image in split.images]
    assert len(set(images)) == len(images) == 28_000


def test_no_typeface_draws_a_character_in_two_splits(typefaces):
    with np.load(EMBEDDED_FILE) as arrays:
        order = np.concatenate([arrays[f"{name}_typefaces"] for name in PER_CLASS])
    drawn = order.reshape(28, 1000)
    assert len(typefaces) == 28
    assert (np.sort(drawn, axis=0) == np.arange(28)[:, None]).all()


def test_every_image_shows_a_character(kanji):
    for split in kanji.splits.values():
        ink = (split.images > 127).mean(axis=(1, 2))
        assert ink.min() > 0.005 and ink.max() < 0.7


def test_labels_belong_to_the_images(kanji):
    means = kanji.split("train").images.reshape(18, 1000, -1).mean(axis=0)
    means -= means.mean(axis=1, keepdims=True)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    nearest = (kanji.split("test").images.reshape(8000, -1) @ means.T).argmax(axis=1)
    assert (nearest == kanji.split("test").labels).mean() > 0.1  # one in a thousand by chance


def test_pixels_have_sixteen_levels_and_the_known_order():
    images = unpack(np.array([[0x0F] + [0] * 391], np.uint8))
    assert images.shape == (1, 28, 28) and images[0, 0, :3].tolist() == [0, 255, 0]


def test_normalisation_constants_are_those_of_the_training_images(kanji):
    pixels = kanji.split("train").images / 255
    assert pixels.mean() == pytest.approx(kanji.mean, abs=1e-3)
    assert pixels.std() == pytest.approx(kanji.std, abs=1e-3)


def test_size_of_the_file_and_licence_of_every_typeface(typefaces):
    assert EMBEDDED_FILE.stat().st_size <= 8e6
    card = (FOLDER / "kanji.md").read_text(encoding="utf-8")
    for row in typefaces:
        assert row["licence"] and row["copyright"] and row["version"]
        assert "GPL" not in row["licence"]
        known = ("unlimited permission", row["licence"].split(" (")[0])
        assert any(f"| {name}" in card for name in known)


def test_one_flipped_byte_is_an_error_that_names_file_and_mend(tmp_path):
    raw = bytearray(EMBEDDED_FILE.read_bytes())
    raw[len(raw) // 2] ^= 1
    damaged = tmp_path / "kanji.npz"
    damaged.write_bytes(raw)
    with pytest.raises(DataError, match=r"kanji\.npz is damaged.*scripts/make_kanji_data\.py"):
        load_kanji(damaged)


def test_a_split_that_does_not_exist_is_an_error_that_names_those_that_do(kanji):
    with pytest.raises(DataError, match="kanji has no split 'dev'; it has train, validation, test"):
        kanji.split("dev")


def test_every_data_set_has_the_name_it_is_known_by():
    for name in KANJI_DATASETS:
        assert load(name).name == name


class TestLongTail:
    def test_sizes_fall_from_18_to_1_and_the_test_stays_balanced(self, kanji):
        data = load("kanji_long_tail")
        sizes = np.bincount(data.split("train").labels, minlength=1000)
        by_rank = sizes[hashed_order(kanji.classes)]
        assert (np.diff(by_rank) <= 0).all() and (by_rank[0], by_rank[-1]) == (18, 1)
        assert by_rank == pytest.approx(18 ** (1 - np.arange(1000) / 999), abs=0.5)
        assert data.split("test").sha256() == kanji.split("test").sha256()

    def test_groups_go_by_size_and_cover_every_class_once(self):
        data = load("kanji_long_tail")
        sizes = np.bincount(data.split("train").labels, minlength=1000)
        head, middle, tail = (list(data.class_groups[n]) for n in ("head", "middle", "tail"))
        assert [len(head), len(middle), len(tail)] == [300, 400, 300]
        assert sorted(head + middle + tail) == list(range(1000))
        assert sizes[head].min() >= sizes[middle].max() >= sizes[middle].min() >= sizes[tail].max()

    def test_sizes_have_nothing_to_do_with_the_ink_or_place_of_a_character(self, kanji):
        rank = np.argsort(hashed_order(kanji.classes))
        ink = kanji.split("train").images.reshape(18, 1000, -1).mean(axis=(0, 2))
        for property_ in (ink, np.arange(1000)):
            assert abs(np.corrcoef(rank, property_)[0, 1]) < 0.1


class TestFewerClasses:
    @pytest.mark.parametrize("count", [10, 100])
    def test_evenly_spaced_classes_keep_their_images_and_balance(self, kanji, count):
        data = load(f"kanji_{count}")
        assert data.classes == kanji.classes[:: 1000 // count]
        for split, per_class in PER_CLASS.items():
            labels = data.split(split).labels
            assert labels.tolist() == list(range(count)) * per_class
            original = kanji.split(split).images[:: 1000 // count]
            assert np.array_equal(data.split(split).images, original)

    def test_more_classes_than_there_are(self, kanji):
        with pytest.raises(DataError, match=r"kanji has 1000 classes.*1001.*from 2 to 1000"):
            fewer_classes(kanji, 1001)

    def test_one_class_is_no_classification(self, kanji):
        with pytest.raises(DataError, match="reduced to 1;"):
            fewer_classes(kanji, 1)


class TestLabelNoise:
    @pytest.mark.parametrize("percent", [20, 40])
    def test_about_that_share_of_the_training_labels_is_wrong_and_no_other(self, kanji, percent):
        data = load(f"kanji_noise{percent}")
        wrong = data.split("train").labels != kanji.split("train").labels
        assert wrong.mean() == pytest.approx(percent / 100, abs=0.01)
        assert data.split("train").labels.min() == 0 and data.split("train").labels.max() == 999
        for split in ("validation", "test"):
            assert data.split(split).sha256() == kanji.split(split).sha256()

    def test_wrong_labels_are_spread_over_all_other_classes(self, kanji):
        right = kanji.split("train").labels
        offset = (noisy_labels(kanji, 0.4).split("train").labels - right) % 1000
        offset = offset[offset > 0]
        assert offset.min() < 10 and offset.max() > 990
        assert offset.mean() == pytest.approx(500, abs=15)

    def test_an_image_is_treated_alike_in_every_set_and_at_every_higher_share(self, kanji):
        low, high = (noisy_labels(kanji, share).split("train").labels for share in (0.2, 0.4))
        wrong = low != kanji.split("train").labels
        assert np.array_equal(low[wrong], high[wrong])

    def test_no_noise_changes_nothing(self, kanji):
        assert noisy_labels(kanji, 0).split("train").sha256() == kanji.split("train").sha256()

    @pytest.mark.parametrize("share", [-0.1, 1, 20, float("nan")])
    def test_noise_outside_of_0_to_1(self, kanji, share):
        with pytest.raises(DataError, match=r"label noise of .* is not possible.*such as 0\.2"):
            noisy_labels(kanji, share)
