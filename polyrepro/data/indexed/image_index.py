"""The index of a large data set: where every image lies; one file without pickles."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError


@dataclass(frozen=True)
class ImageIndex:
    """One row per image of a split; the rows are sorted by split, class and name.

    Names and sources are UTF-8 texts one after the other, with the ends of each: fourteen million
    names fit into 300 MB, and processes that are forked share them.

    Attributes:
        source_texts, source_ends: folders or tar files below the root.
        name_texts, name_ends: file names.
        sources: int32, which of the sources an image is in.
        offsets: int64, first byte inside a tar file; -1 for a file of its own.
        sizes: int64, bytes.
        labels: int32, class indices.
        splits: uint8, positions in the manifest's `splits`.
        target_ends, targets: classes of images with several, one after the other; else empty.
    """

    source_texts: np.ndarray
    source_ends: np.ndarray
    name_texts: np.ndarray
    name_ends: np.ndarray
    sources: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    target_ends: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, row: int) -> str:
        """File name of an image."""
        return _unpack(self.name_texts, self.name_ends, row)

    def source(self, number: int) -> str:
        """Folder or tar file below the root."""
        return _unpack(self.source_texts, self.source_ends, number)

    def targets_of(self, row: int) -> np.ndarray:
        """The classes of an image, one or several."""
        if not len(self.target_ends):
            return self.labels[row : row + 1]
        return _slice(self.targets, self.target_ends, row)

    def to_bytes(self) -> bytes:
        """As a NumPy archive; equal indices give equal bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, **{field.name: getattr(self, field.name) for field in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "ImageIndex":
        """Read what `to_bytes` wrote.

        Raises:
            DataError: if it is something else; pickled objects are refused.
        """
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
                return cls(**dict(arrays))
        except (ValueError, TypeError, OSError, zipfile.BadZipFile) as error:
            raise DataError(f"not an index of images: {error}") from None


def pack(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Texts as one array of bytes, and where each ends."""
    encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), ends


def _unpack(texts: np.ndarray, ends: np.ndarray, position: int) -> str:
    return _slice(texts, ends, position).tobytes().decode("utf-8", "surrogateescape")


def _slice(values: np.ndarray, ends: np.ndarray, position: int) -> np.ndarray:
    return values[ends[position - 1] if position else 0 : ends[position]]
