"""Reading the cache of resized images of a data set; what makes it is `cache_making`.

A folder with `cache.json` and the images in the order of the data set's index, in files of some
thousands. Each file begins with a table, the bytes and the CRC-32 of its images.
"""

import hashlib
import os
import shlex
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.indexed.resizing import QUALITY
from polyrepro.data.manifests import read_manifest, write_manifest

CACHE_FILE = "cache.json"
IMAGES_PER_FILE = 16_384
OPEN_FILES = 256
"""Opening a file costs a round trip on a network file system, but handles are scarce."""

TABLE = np.dtype([("bytes", "<u4"), ("crc32", "<u4")])


def image_file(folder: Path, number: int) -> Path:
    """One of the files with images."""
    return folder / f"images-{number:05d}.bin"


def description(manifest: dict, shorter_side: int) -> dict:
    """What the cache of a data set is made of: the same description, the same images.

    Args:
        manifest: of the verified data set.
    """
    return {
        "dataset": manifest["dataset"],
        "source_index_sha256": manifest["index_sha256"],
        "images": sum(split["images"] for split in manifest["splits"].values()),
        "shorter_side": shorter_side,
        "quality": QUALITY,
        "images_per_file": IMAGES_PER_FILE,
    }


def read_description(folder: Path, wanted: dict, index: Path) -> dict:
    """What a cache says about itself.

    Args:
        wanted: see `description`.
        index: folder of the verified data set, for messages.

    Returns:
        `wanted`; once the cache is complete also `bytes` and `tables_sha256`, a checksum over the
        checksums of all images.

    Raises:
        DataError: if there is none, or it is damaged or made of something else.
    """
    mend = how_to_make(folder, wanted, index)
    if not (folder / CACHE_FILE).exists():
        raise DataError(f"there is no {folder / CACHE_FILE}, so no cache of resized images; {mend}")
    found = read_manifest(folder, CACHE_FILE, mend=f"remove the folder {folder}, then {mend}")
    for key, what in (
        ("dataset", "of the data set {}, not {}"),
        ("source_index_sha256", "older than its source: of the index {:.12}, which is now {:.12}"),
        ("shorter_side", "of images with a shorter side of {} pixels, not {}"),
    ):
        if found.get(key) != wanted[key]:
            how = what.format(found.get(key), wanted[key])
            raise DataError(
                f"the cache of resized images in {folder} is {how}; remove the folder, then {mend}"
            )
    differing = [key for key, value in wanted.items() if found.get(key) != value]
    if differing:
        raise DataError(
            f"the cache of resized images in {folder} was made by another version of polyrepro "
            f"(other {', '.join(differing)}); remove the folder, then {mend}"
        )
    return found


def write_description(folder: Path, described: dict) -> None:
    """Write what a cache says about itself, atomically."""
    write_manifest(folder, described, CACHE_FILE)


def how_to_make(folder: Path, wanted: dict, index: Path) -> str:
    """A remedy: the command that makes the cache, to be pasted into a shell."""
    given = {"index": index, "output": folder, "shorter-side": wanted["shorter_side"]}
    options = [f"--{name}={value}" for name, value in given.items()]
    return f"make it with `{shlex.join(['polyrepro', 'data', 'cache', *options])}`"


def read_table(path: Path, images: int) -> np.ndarray:
    """The table at the beginning of a file: one row of `TABLE` per image.

    Raises:
        DataError: if the file does not end where the table says.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        raw = file.read(images * TABLE.itemsize)
    table = np.frombuffer(raw, TABLE) if len(raw) == images * TABLE.itemsize else None
    size = path.stat().st_size
    if table is None or size != len(raw) + int(table["bytes"].sum(dtype=np.int64)):
        raise DataError(f"{path} is cut off or damaged")
    return table


def file_lengths(described: dict) -> Iterator[tuple[int, int]]:
    """Number of every file, and how many images it has."""
    total, each = described["images"], described["images_per_file"]
    for number, start in enumerate(range(0, total, each)):
        yield number, min(each, total - start)


class CachedImages:
    """The bytes of every image of a complete cache, by row of the data set's index.

    Attributes:
        citation: what run records and checkpoints cite, besides the data set itself.
    """

    def __init__(self, folder: Path, shorter_side: int, manifest: dict, index: Path) -> None:
        """Open a cache.

        Args:
            manifest: of the verified data set.
            index: its folder, for messages.

        Raises:
            DataError: if it is not complete, damaged, or made of something else.
        """
        wanted = description(manifest, shorter_side)
        found = read_description(folder, wanted, index)
        self._folder, self._mend = folder, how_to_make(folder, wanted, index)
        if "tables_sha256" not in found:
            raise DataError(
                f"the cache of resized images in {folder} is not complete; {self._mend}, which "
                "goes on where it stopped"
            )
        self._per_file: int = found["images_per_file"]
        tables = [self._table(number, images) for number, images in file_lengths(found)]
        digest = hashlib.sha256()
        for table in tables:
            digest.update(table)
        if digest.hexdigest() != found["tables_sha256"]:
            raise self._damaged(f"the tables of its files do not belong to {CACHE_FILE}")
        self._tables = tables
        self._ends = [t.nbytes + np.cumsum(t["bytes"], dtype=np.int64) for t in tables]
        self._handles: dict[int, int] = {}
        self.citation = {
            "shorter_side": shorter_side,
            "quality": found["quality"],
            "tables_sha256": found["tables_sha256"],
        }

    def read(self, row: int, where: str) -> bytes:
        """The bytes of an image.

        Args:
            where: how messages name it.

        Raises:
            DataError: if they cannot be read, or are not those that were written.
        """
        number, position = divmod(row, self._per_file)
        size, crc = self._tables[number][position].tolist()
        try:
            raw = os.pread(self._handle(number), size, int(self._ends[number][position]) - size)
        except OSError as error:
            raise self._damaged(f"{where} cannot be read there ({error.strerror})") from None
        if len(raw) != size or zlib.crc32(raw) != crc:
            raise self._damaged(f"{where} has another checksum there than when it was written")
        return raw

    def _handle(self, number: int) -> int:
        if number not in self._handles:
            if len(self._handles) == OPEN_FILES:
                os.close(self._handles.pop(next(iter(self._handles))))
            self._handles[number] = os.open(image_file(self._folder, number), os.O_RDONLY)
        return self._handles[number]

    def _table(self, number: int, images: int) -> np.ndarray:
        try:
            return read_table(image_file(self._folder, number), images)
        except (DataError, OSError) as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, what: str) -> DataError:
        return DataError(
            f"the cache of resized images in {self._folder} is damaged: {what}; remove the folder, "
            f"then {self._mend}"
        )
