"""From the bytes of an image file to red, green and blue, the same way everywhere.

Verification, training, evaluation and figures read images here, of class folders and of detection
data alike: turned as their EXIF orientation says, which is how a person sees them.
"""

import io
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from polyrepro.data.in_memory.image_arrays import DataError

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation (CIPA DC-008, tag 0x0112), what shows the picture upright."""
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
UNSCALED = ("I", "F")
"""Pillow's modes of 32 bits; what is black and what is white differs from file to file."""


def open_image(source: bytes | Path, where: str) -> Image.Image:
    """Read the header of an image, whatever the suffix of its file says.

    Args:
        source: its bytes, or its file.

    Raises:
        DataError: naming `where`, if it is no image.
    """
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except Exception as error:
        raise _unreadable(where, error) from None


def decode_rgb(image: Image.Image, where: str) -> Image.Image:
    """Decode an opened image; grey, palette, CMYK and transparent ones become RGB.

    It is turned as its EXIF orientation says. Grey values of 16 bits are divided by 257, so that
    white stays white.

    Raises:
        DataError: naming `where`, if the file is cut off or damaged, or has pixels of 32 bits.
    """
    require_known_range(image, where)
    try:
        image.load()
        turn = _turn(image)
        if image.mode in SIXTEEN_BITS:
            image = Image.fromarray((np.asarray(image) / 257 + 0.5).astype(np.uint8))
        if "transparency" in image.info and image.mode == "P":
            image = image.convert("RGBA")  # Pillow warns about the direct way
        image = image if image.mode == "RGB" else image.convert("RGB")
        return image if turn is None else image.transpose(turn)
    except Exception as error:
        raise _unreadable(where, error) from None


def seen_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an opened image once `decode_rgb` has turned it."""
    turn = _turn(image)
    sideways = turn is not None and turn not in (TURNS[2], TURNS[3], TURNS[4])
    return image.size[::-1] if sideways else image.size


def is_turned(image: Image.Image) -> bool:
    """Whether `decode_rgb` turns or mirrors an opened image."""
    return _turn(image) is not None


def require_known_range(image: Image.Image, where: str) -> None:
    """Refuse pixels of 32 bits.

    Raises:
        DataError: naming `where` and the remedy.
    """
    if image.mode in UNSCALED:
        raise DataError(
            f"the image {where} has pixels of 32 bits (Pillow's mode {image.mode}), of which "
            "nobody knows what is black and what is white; convert it to 8 bits per channel"
        )


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What is still to be turned. Pillow turns TIFF files itself; damaged EXIF data count as none.

    Metadata behind the pixels of a PNG are found by decoding it.
    """
    if image.format == "TIFF":
        return None
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # any of Pillow's parsers; a damaged image fails when it is decoded
        return None


def _unreadable(where: str, error: Exception) -> DataError:
    # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error and others.
    return DataError(
        f"cannot decode the image {where}: {error}; restore it from the original data set, "
        "then verify the data again (images are never skipped or replaced)"
    )
