"""Many image files to one array of small images."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from polyrepro.data.decoding import decode_rgb, open_image
from polyrepro.data.in_memory.image_arrays import DataError

SIDE = 32
"""Width and height of all images, in pixels."""

CHUNK = 64
SHOWN = 10


def decode_all(paths: list[Path]) -> tuple[np.ndarray, dict[str, int]]:
    """Decode images; those of another size are cut to a square around their centre and resized.

    Returns:
        uint8, (images, SIDE, SIDE, 3), in the order of the paths, and how many images have which
        size, such as `{"32 x 32": 6}`, width first.

    Raises:
        DataError: naming the first ten images that cannot be read or decoded.
    """
    pixels = np.empty((len(paths), SIDE, SIDE, 3), np.uint8)
    sizes: Counter[str] = Counter()
    failures: list[str] = []

    def decode(start: int) -> tuple[Counter[str], list[str]]:
        found, failed = Counter(), []
        for position, path in enumerate(paths[start : start + CHUNK], start=start):
            try:
                image = decode_rgb(open_image(path, str(path)), str(path))
            except DataError as error:
                failed.append(str(error))
                continue
            found[f"{image.width} x {image.height}"] += 1
            pixels[position] = np.asarray(_small(image))
        return found, failed

    # Pillow decodes without Python's lock: threads do.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for found, failed in pool.map(decode, range(0, len(paths), CHUNK)):
            sizes.update(found)
            failures += failed
    if failures:
        shown = "\n  ".join(failures[:SHOWN])
        raise DataError(f"{len(failures):,} of {len(paths):,} images are damaged:\n  {shown}")
    return pixels, dict(sizes)


def _small(image: Image.Image) -> Image.Image:
    if image.size == (SIDE, SIDE):
        return image
    return ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.BILINEAR)
