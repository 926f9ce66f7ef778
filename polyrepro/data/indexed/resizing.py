"""An image of a data set as the cache keeps it: smaller, again as JPEG."""

import io

from PIL import Image

from polyrepro.data.decoding import decode_rgb, open_image, seen_size

QUALITY = 90
"""Of the JPEG files, 0 to 100. Measured with `benchmarks/cache.py`, see docs/data.md."""


def resized(raw: bytes, where: str, shorter_side: int) -> bytes:
    """The image with a shorter side of so many pixels, turned as its EXIF orientation says.

    One whose shorter side is no longer than that keeps its bytes.

    Raises:
        DataError: naming `where`, if it cannot be decoded.
    """
    image = open_image(raw, where)
    width, height = seen_size(image)
    if min(width, height) <= shorter_side:
        decode_rgb(image, where)  # a damaged one is found now
        return raw
    scale = shorter_side / min(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # JPEG can be decoded at 1/2, 1/4 or 1/8 of its size; twice what is needed loses nothing seen.
    longest = 2 * max(size)
    image.draft("RGB", (longest, longest))
    buffer = io.BytesIO()
    view = decode_rgb(image, where).resize(size, Image.Resampling.BICUBIC)
    view.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
