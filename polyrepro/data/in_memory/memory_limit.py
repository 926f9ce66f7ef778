"""Whether a data set fits into memory, known before it is read."""

import os
from pathlib import Path

from polyrepro.data.in_memory.image_arrays import DataError

COPIES = 4
"""Of all pixels, while the data set is read or trained on: the arrays, the file that they are
written to, and the training images with a border around them."""


def require_memory(root: Path, images: int, side: int) -> None:
    """Refuse a data set that does not fit.

    Raises:
        DataError: saying how large it is, and which data sets stream from disk instead.
    """
    needed, available = COPIES * images * side * side * 3, available_memory()
    if needed > available:
        raise DataError(
            f"{root} has {images:,} images, which take {needed / 2**30:.2f} GiB of memory at "
            f"{side} x {side} pixels, and {available / 2**30:.2f} GiB are available. Use fewer "
            "images or a machine with more memory; data sets that stream from disk, at any size, "
            "are those in the layout of ImageNet (`imagenet1k`, `imagenet21k`, see docs/data.md)"
        )


def available_memory() -> int:
    """Bytes that can be used without swapping."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            kilobytes = next(line.split()[1] for line in file if line.startswith("MemAvailable"))
        return 1024 * int(kilobytes)
    except (OSError, StopIteration):  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
