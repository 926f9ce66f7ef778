"""What the script that draws the embedded characters refuses. It needs no typeface of Debian."""

from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
BLANK = bytes(64 * 64)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import make_kanji_data

    return make_kanji_data


def test_jis_level_1_has_2965_characters_in_order(script):
    characters = script.jis_level_1()
    assert (len(characters), characters[0], characters[-1]) == (2965, "亜", "腕")


def test_blank_absent_and_repeated_drawings_count_as_missing(script):
    box = b"box"
    drawings = {"一": b"1", "二": BLANK, "三": box, "四": b"same", "五": b"same"}
    assert script.missing_characters(drawings, absent=box) == {"二", "三", "四", "五"}


def test_a_package_of_another_version_is_refused(script, tmp_path):
    table = tmp_path / "typefaces.csv"
    table.write_text("typeface,package,version,file\nOld Mincho,fonts-absent,1.0,/absent.ttf\n")
    with pytest.raises(SystemExit, match=r"Old Mincho .*fonts-absent 1\.0.* is installed; install"):
        script.read_typefaces(table)


def test_an_image_that_occurs_in_two_splits_is_refused(script):
    images = np.arange(3 * 28 * 28).reshape(3, 1, 28, 28).astype(np.uint16)
    script.refuse_duplicates({"train": (images[:2], None), "test": (images[2:], None)})
    with pytest.raises(SystemExit, match="1 images are copies"):
        script.refuse_duplicates({"train": (images[:2], None), "test": (images[1:2], None)})


def test_distortion_depends_on_the_random_numbers_alone(script):
    upright = script.Image.new("L", (64, 64))
    upright.paste(255, (20, 20, 44, 30))
    first, again, other = (
        script.distort(upright, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first.shape == (28, 28) and 8 < first.max() <= 15
    assert np.array_equal(first, again) and not np.array_equal(first, other)
