"""Making the cache of resized images: each image is decoded once, and later reads are cheap.

A file of images appears complete or not at all, so a command that was killed goes on with the next
one. The size is known, and compared with the free disk, before anything is written.
"""

import errno
import fcntl
import hashlib
import shutil
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from tqdm import tqdm

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.indexed.cache_files import (
    CACHE_FILE,
    TABLE,
    description,
    file_lengths,
    image_file,
    read_description,
    read_table,
    write_description,
)
from polyrepro.data.indexed.image_files import ImageFiles
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.resizing import resized
from polyrepro.files import fsync_folder, write_whole

SAMPLE = 512
"""Evenly spaced images whose mean size is taken for that of all; it is known to 2 or 3 percent."""
RESERVE = 1.05
CHUNK = 64
LOCK_FILE = ".lock"


def make_cache(data: IndexedImages, folder: Path, shorter_side: int, workers: int) -> dict:
    """Write the cache of a data set, or what is missing of it.

    Args:
        folder: for the cache alone; it is made if it is not there.
        shorter_side: of the images in the cache, in pixels.
        workers: threads.

    Returns:
        What is written into `cache.json`.

    Raises:
        DataError: if the folder holds something else or another cache, if it has too little free
            disk, or if an image cannot be decoded.
    """
    folder = folder.absolute()
    wanted = description(data.manifest, shorter_side)
    _require_own_folder(folder)
    if (folder / CACHE_FILE).exists():
        found = read_description(folder, wanted, data.folder)
        if "tables_sha256" in found and _all_there(folder, found):
            return found
    with ThreadPoolExecutor(workers) as pool:
        maker = _Maker(data, folder, wanted, pool)
        maker.require_free_disk(maker.expected_bytes())
        with _locked(folder):
            write_description(folder, wanted)
            described = maker.make()
            write_description(folder, described)
    return described


class _Maker:
    """The files of one cache."""

    def __init__(
        self, data: IndexedImages, folder: Path, wanted: dict, pool: ThreadPoolExecutor
    ) -> None:
        self._data, self._folder, self._wanted, self._pool = data, folder, wanted, pool

    def expected_bytes(self) -> int:
        """Of all files, from a sample."""
        total = self._wanted["images"]
        rows = np.arange(min(SAMPLE, total)) * total // min(SAMPLE, total)
        sizes = [len(raw) for raw in self._resized(rows)]
        return round(total * (RESERVE * sum(sizes) / len(sizes) + TABLE.itemsize))

    def require_free_disk(self, expected: int) -> None:
        """Refuse to begin what cannot be finished.

        Raises:
            DataError: if the disk has not enough space for what is missing.
        """
        files = [image_file(self._folder, number) for number, _ in file_lengths(self._wanted)]
        missing = expected - sum(path.stat().st_size for path in files if path.exists())
        existing = next(p for p in (self._folder, *self._folder.parents) if p.exists())
        free = shutil.disk_usage(existing).free
        if missing > free:
            raise DataError(
                f"the cache of {self._data.name} (shorter side {self._wanted['shorter_side']}) "
                f"takes {_gigabytes(missing)} more, but the disk of {self._folder} has "
                f"{_gigabytes(free)} left; free some, give another folder, or leave the data set "
                "out of `cache` in the configuration (its images are then decoded each time)"
            )
        print(
            f"{self._data.name}: the cache takes about {_gigabytes(expected)} in {self._folder}, "
            f"which has {_gigabytes(free)} left",
            file=sys.stderr,
        )

    def make(self) -> dict:
        """Write the files that are missing or damaged; the description of the complete cache."""
        digest, size, start = hashlib.sha256(), 0, 0
        for leftover in self._folder.glob(".images-*"):
            leftover.unlink()
        for number, images in tqdm(
            list(file_lengths(self._wanted)), unit="file", disable=not sys.stderr.isatty()
        ):
            path = image_file(self._folder, number)
            table = _intact_table(path, images)
            if table is None:
                table = self._write(path, np.arange(start, start + images))
            digest.update(table)
            size += path.stat().st_size
            start += images
        fsync_folder(self._folder)
        return self._wanted | {"bytes": size, "tables_sha256": digest.hexdigest()}

    def _write(self, path: Path, rows: np.ndarray) -> np.ndarray:
        table = np.zeros(len(rows), TABLE)
        try:
            with write_whole(path) as file:
                file.write(table.tobytes())  # the place of the true one
                for number, raw in enumerate(self._resized(rows)):
                    table[number] = len(raw), zlib.crc32(raw)
                    file.write(raw)
                file.seek(0)
                file.write(table.tobytes())
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DataError(
                f"the disk of {self._folder} is full, {path.name} could not be written; the files "
                "before it are whole. Free some space and run the same command again, which goes "
                f"on with this file, or remove {self._folder} and give another folder"
            ) from None
        return table

    def _resized(self, rows: np.ndarray) -> Iterator[bytes]:
        """In the order of the rows. Pillow works without Python's lock: threads do."""
        chunks = [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
        for results in self._pool.map(self._resized_chunk, chunks):
            yield from results

    def _resized_chunk(self, rows: np.ndarray) -> list[bytes]:
        data, side = self._data, self._wanted["shorter_side"]
        root = Path(data.manifest["root"])
        with closing(ImageFiles(root, data.index, data.classes)) as files:
            return [resized(files.read(row), files.where(row), side) for row in rows.tolist()]


def _intact_table(path: Path, images: int) -> np.ndarray | None:
    """The table of a file that is there and has the checksums it was written with; else None."""
    try:
        table = read_table(path, images)
        with open(path, "rb") as file:
            file.seek(table.nbytes)
            intact = all(zlib.crc32(file.read(size)) == crc for size, crc in table.tolist())
    except (OSError, DataError):
        return None
    return table if intact else None


def _all_there(folder: Path, found: dict) -> bool:
    """Whether the files of a complete cache have the tables that it was completed with."""
    digest = hashlib.sha256()
    try:
        for number, images in file_lengths(found):
            digest.update(read_table(image_file(folder, number), images))
    except (OSError, DataError):
        return False
    return digest.hexdigest() == found["tables_sha256"]


def _require_own_folder(folder: Path) -> None:
    """A folder with other files is not filled with ours."""
    others = [] if not folder.exists() else sorted(p.name for p in folder.iterdir())
    if others and not {CACHE_FILE, LOCK_FILE} & set(others):
        raise DataError(
            f"{folder} holds other files ({', '.join(others[:3])}); give the cache a folder of its "
            "own"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two commands must not write one cache; the lock goes with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK_FILE, "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                f"another command is making the cache in {folder}; wait for it, or stop it"
            ) from None
        yield


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
