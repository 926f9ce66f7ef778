"""Reading images of an index: files of their own, or their bytes inside a tar file."""

import os
from pathlib import Path

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.indexed.image_index import ImageIndex
from polyrepro.data.indexed.tar_listing import BLOCK, header_matches

OPEN_TARS = 64
"""Opening a file costs a round trip on a network file system, but handles are scarce."""


class ImageFiles:
    """The bytes of every image of an index.

    Tars are read at given positions and share no position, so processes that were forked after a
    tar had been opened do not disturb each other.
    """

    def __init__(self, root: Path, index: ImageIndex, classes: tuple[str, ...]) -> None:
        self._root, self._index, self._classes = root, index, classes
        self._handles: dict[int, int] = {}

    def where(self, row: int) -> str:
        """How messages name an image: its path, inside a tar file after a colon."""
        index = self._index
        path = self._root / index.source(index.sources[row])
        if index.offsets[row] < 0:
            return str(path / index.name(row))
        return f"{path}:{self._classes[index.labels[row]]}/{index.name(row)}"

    def read(self, row: int) -> bytes:
        """The bytes of an image.

        Raises:
            DataError: if it cannot be read or is not what it was when the index was made.
        """
        try:
            return self._from_file(row) if self._index.offsets[row] < 0 else self._from_tar(row)
        except OSError as error:
            raise self._error(row, f"cannot be read ({error.strerror})") from None

    def close(self) -> None:
        """Close the tar files that are open."""
        while self._handles:
            os.close(self._handles.popitem()[1])

    def _from_file(self, row: int) -> bytes:
        source = self._index.source(self._index.sources[row])
        with open(self._root / source / self._index.name(row), "rb", buffering=0) as file:
            raw = file.read()
        expected = int(self._index.sizes[row])
        if len(raw) != expected:
            raise self._error(row, f"has {len(raw):,} bytes instead of {expected:,}")
        return raw

    def _from_tar(self, row: int) -> bytes:
        size, begin = int(self._index.sizes[row]), int(self._index.offsets[row]) - BLOCK
        raw = os.pread(self._handle(int(self._index.sources[row])), BLOCK + size, begin)
        # The header before it tells whether this is still the image, and not another of its size.
        if len(raw) != BLOCK + size or not header_matches(raw, self._index.name(row), size):
            raise self._error(row, "is no longer at its place in the tar file")
        return raw[BLOCK:]

    def _handle(self, source: int) -> int:
        if source not in self._handles:
            if len(self._handles) == OPEN_TARS:
                os.close(self._handles.pop(next(iter(self._handles))))
            self._handles[source] = os.open(self._root / self._index.source(source), os.O_RDONLY)
        return self._handles[source]

    def _error(self, row: int, what: str) -> DataError:
        return DataError(
            f"{self.where(row)} {what}: the data set has changed since it was verified; restore "
            "it, or verify it again with `polyrepro data verify` and start the run anew"
        )
