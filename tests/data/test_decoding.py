"""One way to read an image: turned as a person sees it, of 8 bits, or refused."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from polyrepro.data import DataError
from polyrepro.data.decoding import decode_rgb, is_turned, open_image, seen_size

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def saved(array, format, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format, **options)
    return buffer.getvalue()


def read(raw):
    return np.asarray(decode_rgb(open_image(raw, "x"), "x"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_an_orientation_is_applied_once_as_pillow_does(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    raw = saved(PIXELS, format, exif=exif, **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(raw))))
    assert np.array_equal(read(raw), expected)
    assert seen_size(open_image(raw, "x")) == expected.shape[1::-1]
    assert is_turned(open_image(raw, "x")) == (orientation > 1 and format != "TIFF")


def test_a_picture_held_sideways_is_shown_upright():
    """Orientation 6: the first row of what is stored is the right column of what is seen."""
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = read(saved(PIXELS, "PNG", exif=exif))
    assert np.array_equal(seen[:, -1], PIXELS[0])


def test_damaged_exif_data_do_no_harm():
    raw = saved(PIXELS, "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff garbage")
    assert read(raw).shape == PIXELS.shape


RAMP = np.linspace(0, 65535, 4096).reshape(64, 64).astype(int)


@pytest.mark.parametrize(
    "raw",
    [
        saved(RAMP.astype(np.uint16), "PNG"),
        saved(RAMP.astype(np.uint16), "TIFF"),
        saved(RAMP.astype(">u2"), "TIFF"),
    ],
)
def test_grey_values_of_sixteen_bits_are_scaled(raw):
    found = read(raw)
    assert np.abs(found[..., 0] - RAMP / 257).max() <= 0.5
    assert found[0, 0].tolist() == [0, 0, 0] and found[-1, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    "raw",
    [
        saved(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8), "TIFF"),
        saved(np.arange(64, dtype=np.int32).reshape(8, 8), "TIFF"),
        b"P5 2 2 65535\n" + bytes(8),
    ],
)
def test_pixels_of_which_nobody_knows_the_range_are_refused(raw):
    with pytest.raises(
        DataError, match=r"the image x has pixels of 32 bits .*convert it to 8 bits"
    ):
        read(raw)


@pytest.mark.parametrize("format", ["PCX", "TGA", "BMP", "PPM", "GIF"])
def test_other_formats_are_read_whatever_their_name(format):
    grey = np.repeat(PIXELS[..., :1], 3, axis=2)  # GIF has a palette, enough for greys
    assert np.array_equal(read(saved(grey, format)), grey)
