"""Image files of detection data: their names, sizes and formats."""

import json
import os

import numpy as np
import pytest
from coco_files import SIDE, content, write_split
from PIL import Image

from polyrepro.data import DataError
from polyrepro.data.coco.coco_format import verify_coco

STORED = (48, 64)
"""Height and width of a picture that a camera held sideways stored."""


def verify(tmp_path, edit=lambda data: None, picture=None):
    """A data set whose first training image is something else."""
    sources = {}
    for split in ("train", "validation", "test"):
        data = content()
        source = write_split(tmp_path / "data", split, data)
        if split == "train":
            edit(data)
            source.annotations.write_text(json.dumps(data))
            if picture is not None:
                picture(source.images)
        sources[split] = source
    return verify_coco("cells", sources, tmp_path / "verified")


def first_name(tmp_path):
    train = json.loads((tmp_path / "verified/train.json").read_text())
    return train["images"][0]["file_name"]


def turned(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((*STORED, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "0.png", "JPEG", exif=exif)


def test_pictures_that_were_turned_fit_if_annotated_as_seen(tmp_path, capsys):
    verify(tmp_path, lambda data: data["images"][0].update(width=48, height=64), turned)
    message = capsys.readouterr().err
    assert "train.json: 1 images are turned as their EXIF orientation says" in message
    assert message.endswith(": 0.png\n")


def test_pictures_annotated_as_stored_are_refused_with_the_reason(tmp_path):
    with pytest.raises(
        DataError,
        match=r"0\.png has 48 x 64 pixels, but .* says 64 x 48: that is "
        r"its size before it is turned .*remove the orientation from the image",
    ):
        verify(tmp_path, lambda data: data["images"][0].update(width=64, height=48), turned)


@pytest.mark.parametrize(
    ("written", "on_disk"),
    [
        ("caf\u00e9.png", "cafe\u0301.png"),
        ("cafe\u0301.png", "caf\u00e9.png"),
        ("caf\u00e9.png", os.fsdecode(b"caf\xe9.png")),
        (os.fsdecode(b"caf\xe9.png"), os.fsdecode(b"caf\xe9.png")),
        ("inner\\0.png", "inner/0.png"),
        ("./inner/../0.png", "0.png"),
        ("a b,c@d=e[1]~%.png", "a b,c@d=e[1]~%.png"),
    ],
)
def test_names_that_another_system_wrote_are_found(tmp_path, written, on_disk):
    def renamed(folder):
        (folder / "inner").mkdir(exist_ok=True)
        (folder / "0.png").rename(folder / on_disk)

    verify(tmp_path, lambda data: data["images"][0].update(file_name=written), renamed)
    path = tmp_path / "data/train" / first_name(tmp_path)
    assert path.samefile(tmp_path / "data/train" / on_disk)


@pytest.mark.parametrize("name", ["nul\0.png", "\ud800.png", "."])
def test_names_that_no_file_can_have_are_missing(tmp_path, name):
    with pytest.raises(DataError, match=r"1 of 4 images of .*train\.json are missing, the first"):
        verify(tmp_path, lambda data: data["images"][0].update(file_name=name))


@pytest.mark.parametrize("format", ["PCX", "TGA", "BMP", "GIF", "TIFF", "WEBP"])
def test_formats_that_opencv_does_not_read_are_fine(tmp_path, format):
    def saved(folder):
        Image.new("RGB", (SIDE, SIDE)).save(folder / "0.png", format)

    assert verify(tmp_path, picture=saved)["splits"]["train"]["images"] == 4


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b"<html>"), r"cannot decode the image .*0\.png"),
        (
            lambda path: Image.new("F", (SIDE, SIDE)).save(path, "TIFF"),
            r"0\.png has pixels of 32 bits .*convert it to 8 bits",
        ),
        (lambda path: Image.new("L", (SIDE, 9)).save(path), r"0\.png has 32 x 9 pixels.*correct"),
    ],
)
def test_pictures_that_cannot_be_used_are_named(tmp_path, write, message):
    with pytest.raises(
        DataError, match=rf"1 of 4 images of .*train\.json do not fit:\n.*{message}"
    ):
        verify(tmp_path, picture=lambda folder: write(folder / "0.png"))
