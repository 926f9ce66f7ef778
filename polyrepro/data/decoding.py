"""From the bytes of an image file to red, green and blue."""

import io

from PIL import Image

from polyrepro.data.image_arrays import DataError


def open_image(raw: bytes, where: str) -> Image.Image:
    """Read the header of an image, whatever the suffix of its file says.

    Raises:
        DataError: naming `where`, if it is no image.
    """
    try:
        return Image.open(io.BytesIO(raw))
    except Exception as error:
        raise _unreadable(where, error) from None


def decode_rgb(image: Image.Image, where: str) -> Image.Image:
    """Decode an opened image; grey, palette, CMYK and transparent ones become RGB.

    The orientation in EXIF is not applied, as in every ImageNet loader known to us.

    Raises:
        DataError: naming `where`, if the file is cut off or damaged.
    """
    try:
        image.load()
        if "transparency" in image.info and image.mode == "P":
            image = image.convert("RGBA")  # Pillow warns about the direct way
        return image if image.mode == "RGB" else image.convert("RGB")
    except Exception as error:
        raise _unreadable(where, error) from None


def _unreadable(where: str, error: Exception) -> DataError:
    # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error and others.
    return DataError(
        f"cannot decode the image {where}: {error}; restore it from the original data set, "
        "then verify the data again (images are never skipped or replaced)"
    )
