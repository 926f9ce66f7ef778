"""Reading and decoding images before training relies on them."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

from polyrepro.data.decoding import SIXTEEN_BITS, decode_rgb, is_turned, open_image
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.indexed.image_files import ImageFiles
from polyrepro.data.indexed.image_index import ImageIndex

SAMPLE = 2000
"""Images that are read when not all are; damage of 1 in 1000 images is then found with 86 %."""

CHUNK = 64
SHOWN = 10
DARK = 16
"""Grey values of 12 bits in a file of 16 are no lighter, of 255."""
SUFFIX_FORMATS = {".jpeg": "JPEG", ".jpg": "JPEG", ".png": "PNG"}


def check_images(
    root: Path, index: ImageIndex, classes: tuple[str, ...], *, full: bool
) -> dict[str, object]:
    """Read and decode all images, or a sample that is evenly spaced over the index.

    Returns:
        `mode` (`full` or `sampled`); `images` read; `sha256` over the checksums of all that were
        read; `oddities`: how many are not what their names say, not plain RGB, or turned.

    Raises:
        DataError: naming the first ten images that cannot be read or decoded.
    """
    count = len(index) if full else min(SAMPLE, len(index))
    rows = np.arange(count) * len(index) // count
    digest, oddities, failures = hashlib.sha256(), Counter(), []
    for image_digest, odd, failure in _read_all(root, index, classes, rows):
        digest.update(image_digest)
        oddities.update(odd)
        failures += [failure] if failure else []
    if failures:
        shown = "\n  ".join(failures[:SHOWN])
        raise DataError(f"{len(failures):,} of {count:,} images read are damaged:\n  {shown}")
    return {
        "mode": "full" if full else "sampled",
        "images": count,
        "sha256": digest.hexdigest(),
        "oddities": dict(sorted(oddities.items())),
    }


Result = tuple[bytes, list[str], str | None]
"""Checksum, oddities, and what is wrong with one image."""


def _read_all(
    root: Path, index: ImageIndex, classes: tuple[str, ...], rows: np.ndarray
) -> Iterator[Result]:
    """The results in the order of the rows. Pillow decodes without Python's lock: threads do."""

    def check(chunk: np.ndarray) -> list[Result]:
        with closing(ImageFiles(root, index, classes)) as files:
            return [_check(files, index, int(row)) for row in chunk]

    workers = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(workers) as pool:
        # Not all chunks at once: millions of waiting results would fill the memory.
        for start in range(0, len(rows), workers * CHUNK * 4):
            part = rows[start : start + workers * CHUNK * 4]
            chunks = [part[i : i + CHUNK] for i in range(0, len(part), CHUNK)]
            for results in pool.map(check, chunks):
                yield from results


def _check(files: ImageFiles, index: ImageIndex, row: int) -> Result:
    try:
        raw = files.read(row)
        image = open_image(raw, files.where(row))
        odd = _oddities(index.name(row), image, decode_rgb(image, files.where(row)))
    except DataError as error:
        return b"", [], str(error)
    return hashlib.sha256(raw).digest(), odd, None


def _oddities(name: str, image: Image.Image, decoded: Image.Image) -> list[str]:
    suffix = os.path.splitext(name)[1].lower()
    odd = []
    if SUFFIX_FORMATS.get(suffix, image.format) != image.format:
        odd.append(f"{image.format} named {suffix}")
    if image.mode != "RGB":
        odd.append(f"colours {image.mode}")
    if image.mode in SIXTEEN_BITS and max(high for _, high in decoded.getextrema()) <= DARK:
        odd.append(f"16 bits, the upper four unused: read as nearly black, at most {DARK} of 255")
    if is_turned(image):
        odd.append("turned by EXIF")
    return odd
