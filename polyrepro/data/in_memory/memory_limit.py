"""Whether a data set fits into memory, known before it is read."""

import os
from collections.abc import Iterator
from pathlib import Path

from polyrepro.data.in_memory.image_arrays import DataError

COPIES = 4
"""Of all pixels, while the data set is read or trained on: the arrays, the file that they are
written to, and the training images with a border around them."""

GROUP_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""By controller, none for version 2 of Linux' control groups: a group's limit, what it uses, and
the entry of `memory.stat` for what it uses only as long as nobody else needs it."""


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
    """Bytes that can be used without swapping, and within the limits of a container or Slurm."""
    return max(0, min(_left_on_machine(), *_left_in_groups()))


def _left_on_machine() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            kilobytes = next(line.split()[1] for line in file if line.startswith("MemAvailable"))
        return 1024 * int(kilobytes)
    except (OSError, StopIteration):  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _left_in_groups(
    own: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """What each control group around this process leaves of its limit."""
    if not own.exists():  # not Linux
        return
    for line in own.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in {"", "memory"} & set(controllers.split(",")):
            folder = root / controller / path.lstrip("/")
            for group in (folder, *folder.parents):
                if group.is_relative_to(root):
                    yield from _left_in_group(group, *GROUP_FILES[controller])


def _left_in_group(group: Path, limit: str, used: str, cache: str) -> Iterator[int]:
    try:
        statistics = dict(line.split() for line in (group / "memory.stat").open())
        most, now = (int((group / name).read_text()) for name in (limit, used))
        yield most - now + int(statistics[cache])
    except (OSError, ValueError, KeyError):
        return  # no such group here, or no limit: then it says "max"
