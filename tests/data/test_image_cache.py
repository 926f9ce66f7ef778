"""The cache of resized images: what is in it, how it is made, and what is refused."""

import errno
import io
import pickle
import re
import shutil
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from image_trees import SMALL, encoded, picture, write_tree
from PIL import Image

from polyrepro.cli import main
from polyrepro.data import DataError
from polyrepro.data.decoding import decode_rgb
from polyrepro.data.indexed import cache_files, cache_making
from polyrepro.data.indexed.cache_making import make_cache
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.resizing import resized
from polyrepro.data.indexed.verification import verify
from polyrepro.recipes import RECIPES
from polyrepro.running.run_folders import checkpoint_identity
from polyrepro.runs import Run
from polyrepro.variants import cross_entropy

SIDE = 40
"""The pictures are 48 pixels high; in files of ten there are four."""


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    monkeypatch.setattr(cache_files, "IMAGES_PER_FILE", 10)


@pytest.fixture
def source(tmp_path):
    verify(SMALL, write_tree(tmp_path / "images"), tmp_path / "index")
    return IndexedImages(tmp_path / "index")


@pytest.fixture
def folder(source, tmp_path):
    make_cache(source, tmp_path / "cache", SIDE, workers=2)
    return tmp_path / "cache"


def cached(source, folder, side=SIDE):
    return IndexedImages(source.folder, (folder, side))


def pixels(data):
    return [np.asarray(decode_rgb(data.open(row), "")) for row in range(len(data.index))]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_images_are_smaller_and_look_the_same(source, folder):
    data = cached(source, folder)
    assert len(list(folder.glob("images-*.bin"))) == 4
    for row, small in enumerate(pixels(data)):
        whole = decode_rgb(source.open(row), "")
        assert small.shape[0] == SIDE
        assert small.shape[1] == round(whole.width * SIDE / whole.height)
        expected = np.asarray(whole.resize(small.shape[1::-1], Image.Resampling.BICUBIC))
        assert (
            np.abs(small.astype(int) - expected).mean() < 6
        )  # tiny pictures of strong colours, as JPEG
    described = cache_files.read_description(
        folder, cache_files.description(source.manifest, SIDE), source.folder
    )
    assert described["bytes"] == sum(p.stat().st_size for p in folder.glob("images-*.bin"))


def test_a_small_image_keeps_its_bytes_and_a_large_one_is_turned_upright():
    small = encoded(picture(0, (60, SIDE)))
    assert resized(small, "", SIDE) == small
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = Image.open(io.BytesIO(resized(encoded(picture(0, (90, 60)), exif=exif), "", SIDE)))
    assert upright.size == (SIDE, 60) and 0x0112 not in upright.getexif()


def test_a_large_photograph_is_decoded_at_a_part_of_its_size_with_the_same_result():
    image = picture(3, (960, 640))
    one = Image.open(io.BytesIO(resized(encoded(image, quality=95), "", SIDE)))
    other = Image.open(io.BytesIO(resized(encoded(image, "PNG"), "", SIDE)))
    assert one.size == other.size == (60, SIDE)
    assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).mean() < 2


def test_what_is_cited_and_identified_are_the_cached_images(source, folder):
    data = cached(source, folder)
    run = Run(recipe=RECIPES["resnet50_short"], variant=cross_entropy(), seed=0)
    own = data.citation.pop("cache")
    assert data.citation == source.citation
    assert own["shorter_side"] == SIDE and own["quality"] == 90
    plain, here = (
        checkpoint_identity(run, c) for c in (source.citation, data.citation | {"cache": own})
    )
    assert plain != here
    assert data.shorter_side == SIDE and source.shorter_side is None


def test_a_process_that_is_not_forked_reads_the_cache_too(source, folder):
    data = pickle.loads(pickle.dumps(cached(source, folder)))
    assert data.open(0).size[1] == SIDE


def test_making_it_again_changes_nothing(source, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix}
    make_cache(source, folder, SIDE, workers=1)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_command_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    source, folder, tmp_path, monkeypatch
):
    class Killed(BaseException):
        pass

    write = cache_making._Maker._write

    def killed(self, path, rows):
        if path.name == "images-00002.bin":
            (path.parent / f".{path.name}.half").write_bytes(b"left by kill -9")
            raise Killed
        return write(self, path, rows)

    with monkeypatch.context() as patch:
        patch.setattr(cache_making._Maker, "_write", killed)
        with pytest.raises(Killed):
            make_cache(source, tmp_path / "other", SIDE, workers=1)
    with pytest.raises(DataError, match=r"other is not complete; make it with .*, which goes on"):
        cached(source, tmp_path / "other")
    first = (tmp_path / "other/images-00000.bin").stat().st_mtime_ns
    make_cache(source, tmp_path / "other", SIDE, workers=1)
    assert contents(tmp_path / "other") == contents(folder)
    assert (tmp_path / "other/images-00000.bin").stat().st_mtime_ns == first


def test_a_file_that_was_damaged_before_the_end_is_written_anew(source, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    path = tmp_path / "other/images-00001.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"\0\0")
    make_cache(source, tmp_path / "other", SIDE, workers=1)
    assert contents(tmp_path / "other") == contents(folder)


def test_a_cache_older_than_its_source_is_refused(source, folder, tmp_path):
    victim = source.where(0)
    with open(victim, "wb") as file:
        file.write(encoded(picture(300)))
    verify(SMALL, tmp_path / "images", tmp_path / "index")
    changed = IndexedImages(tmp_path / "index")
    message = (
        rf"the cache of resized images in {folder} is older than its source: of the index "
        rf"{source.manifest['index_sha256'][:12]}, which is now "
        rf"{changed.manifest['index_sha256'][:12]}; remove the folder, then make it with `polyrepro"
        rf" data cache --index={source.folder} --output={folder} --shorter-side={SIDE}`"
    )
    with pytest.raises(DataError, match=message):
        cached(changed, folder)
    before = contents(folder)
    with pytest.raises(DataError, match=message):
        make_cache(changed, folder, SIDE, workers=1)
    assert contents(folder) == before


def test_another_size_another_folder_and_none_are_refused(source, folder, tmp_path):
    with pytest.raises(DataError, match=r"with a shorter side of 40 pixels, not 32; remove the"):
        cached(source, folder, 32)
    with pytest.raises(DataError, match=r"there is no .*nowhere/cache.json.*; make it with `poly"):
        cached(source, tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"images holds other files \(train, val\); give the cache"):
        make_cache(source, tmp_path / "images", SIDE, workers=1)


def test_damage_is_found_when_an_image_is_read(source, folder):
    path = folder / "images-00000.bin"
    raw = bytearray(path.read_bytes())
    raw[-10] ^= 1
    path.write_bytes(raw)
    data = cached(source, folder)
    data.open(0)
    with pytest.raises(
        DataError,
        match=rf"cache of resized images in {folder} is damaged: .*n\d+_\d+.JPEG has another "
        r"checksum there than when it was written; remove the folder, then make it with",
    ):
        data.open(9)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bin is cut off or damaged"),
        (
            lambda path: path.write_bytes(path.with_name("images-00002.bin").read_bytes()),
            "the tables of its files do not belong to cache.json",
        ),
    ],
)
def test_missing_and_exchanged_files_are_found_before_training(source, folder, damage, message):
    damage(folder / "images-00001.bin")
    with pytest.raises(DataError, match=f"is damaged: .*{message}.*; remove the folder, then"):
        cached(source, folder)


def test_an_edited_description_is_refused(source, folder):
    path = folder / "cache.json"
    path.write_text(path.read_text().replace(f'"shorter_side": {SIDE}', '"shorter_side": 64'))
    with pytest.raises(
        DataError, match=f"was changed after it was written.*remove the folder {folder}"
    ):
        cached(source, folder, 64)


def test_too_little_disk_is_an_error_before_anything_is_written(source, tmp_path, monkeypatch):
    monkeypatch.setattr(
        cache_making.shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000)
    )
    with pytest.raises(
        DataError,
        match=r"the cache of small \(shorter side 40\) takes 0\.\d MB more, but the disk of "
        r".*cache has 0\.0 MB left; free some, give another folder, or leave the data set out of "
        r"`cache`",
    ):
        make_cache(source, tmp_path / "cache", SIDE, workers=1)
    assert not (tmp_path / "cache").exists()


def test_the_size_is_known_beforehand(source, folder, capsys, tmp_path):
    make_cache(source, tmp_path / "again", SIDE, workers=1)
    said = re.search(r"takes about ([\d.]+) MB in .*again", capsys.readouterr().err)
    size = sum(path.stat().st_size for path in folder.glob("images-*.bin"))
    assert float(said[1]) == pytest.approx(1.05 * size / 1e6, abs=0.1)


def test_a_disk_that_fills_up_leaves_whole_files(source, folder, tmp_path, monkeypatch):
    write_whole = cache_making.write_whole

    @contextmanager
    def full(path):
        with write_whole(path) as file:
            yield file
            if path.name == "images-00001.bin":
                raise OSError(errno.ENOSPC, "No space left on device")

    other = tmp_path / "other"
    with monkeypatch.context() as patch:
        patch.setattr(cache_making, "write_whole", full)
        with pytest.raises(
            DataError,
            match=rf"the disk of {other} is full, images-00001.bin could not be written; the files "
            r"before it are whole\. Free some space and run the same command again",
        ):
            make_cache(source, other, SIDE, workers=1)
    assert {path.name for path in other.iterdir()} == {".lock", "cache.json", "images-00000.bin"}
    make_cache(source, other, SIDE, workers=1)
    assert contents(other) == contents(folder)


def test_two_commands_do_not_make_one_cache(source, tmp_path):
    folder = tmp_path / "cache"
    with (
        cache_making._locked(folder),
        pytest.raises(
            DataError, match=f"another command is making the cache in {folder}; wait for it"
        ),
    ):
        make_cache(source, folder, SIDE, workers=1)


def test_an_image_that_cannot_be_decoded_is_named_and_ends_it(source, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_making, "SAMPLE", 2)  # another than those whose size is measured
    victim = source.where(12)
    with open(victim, "r+b") as file:
        file.write(bytes(100))
    with pytest.raises(DataError, match=f"cannot decode the image {victim}"):
        make_cache(source, tmp_path / "cache", SIDE, workers=1)
    with pytest.raises(DataError, match="is not complete"):
        cached(source, tmp_path / "cache")


def test_the_command_writes_a_receipt(source, tmp_path, capsys):
    receipt = tmp_path / "data" / "cache.json"
    arguments = ["--index", str(source.folder), "--output", str(tmp_path / "cache")]
    main(["data", "cache", *arguments, "--shorter-side", "40", "--receipt", str(receipt)])
    assert '"shorter_side": 40' in receipt.read_text()
    assert "small: 32 images with shorter sides of 40 pixels in" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="--shorter-side has to be at least 32"):
        main(["data", "cache", *arguments, "--shorter-side", "8"])
