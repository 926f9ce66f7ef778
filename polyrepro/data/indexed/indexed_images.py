"""A large data set as trainings see it: opened from its verified index, read image by image."""

import functools
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from polyrepro.data.decoding import open_image
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.indexed.cache_files import CachedImages
from polyrepro.data.indexed.image_files import ImageFiles
from polyrepro.data.indexed.image_index import ImageIndex
from polyrepro.data.indexed.index_building import SPLITS
from polyrepro.data.indexed.verification import INDEX_FILE, SCHEMA
from polyrepro.data.manifests import MANIFEST, checksum, read_manifest


class IndexedImages:
    """Images of an index that `polyrepro data verify` wrote.

    Attributes:
        name: the data set's name.
        classes: class names; the label is the position.
        manifest: what the verification found.
        mean, std: of red, green and blue scaled to 0..1.
        class_groups: those of a long tail, else none; see `ImageArrays`.
        index: where every image lies.
        folder: of manifest and index.
        shorter_side: of the images in the cache, in pixels; None without a cache.
    """

    channels = 3
    """Red, green and blue, whatever the files have."""

    def __init__(self, folder: Path, cache: tuple[Path, int] | None = None) -> None:
        """Open the folder with `manifest.json` and `index.npz`.

        Args:
            cache: folder of resized images, and their shorter side, to be read in place of the
                originals.

        Raises:
            DataError: if one of them is missing or damaged, or they do not belong together.
        """
        self.folder = folder.absolute()
        self.manifest = _read_manifest(folder)
        self.index = _read_index(folder / INDEX_FILE, self.manifest["index_sha256"])
        self.name: str = self.manifest["dataset"]
        self.classes = tuple(self.manifest["classes"])
        self.mean, self.std = tuple(self.manifest["mean"]), tuple(self.manifest["std"])
        groups = self.manifest.get("class_groups", {})
        self.class_groups = {name: tuple(labels) for name, labels in groups.items()}
        self._files = ImageFiles(Path(self.manifest["root"]), self.index, self.classes)
        self._opened_with, self._cached = cache, None
        self.shorter_side = None
        if cache is not None:
            self._cached = CachedImages(*cache, self.manifest, self.folder)
            self.shorter_side = cache[1]

    def __reduce__(self) -> tuple:
        """A process that is not forked opens the index itself."""
        return IndexedImages, (self.folder, self._opened_with)

    @property
    def several_labels(self) -> bool:
        """Whether images may have several classes."""
        return len(self.index.target_ends) > 0

    @functools.cached_property
    def citation(self) -> dict:
        """What run records and checkpoints cite.

        Names, sizes, labels and splits of all images enter through the checksum of the index, the
        bytes of those that were read through that of the checks. The root does not, so that data
        may be moved. Of a cache the checksums of all its images enter, for their pixels are others.
        """
        cited = {
            "dataset": self.name,
            "classes": len(self.classes),
            "splits": {name: split["images"] for name, split in self.manifest["splits"].items()},
            "checks": self.manifest["checks"],
            "index_sha256": self.manifest["index_sha256"],
            "manifest_sha256": checksum(self.manifest),
        }
        return cited if self._cached is None else cited | {"cache": self._cached.citation}

    def rows(self, split: str) -> np.ndarray:
        """Rows of the index of a split, ordered by class and name.

        Raises:
            DataError: if the data set has no such split.
        """
        if split not in self.manifest["splits"]:
            raise DataError(
                f"{self.name} has no split {split!r}; it has {', '.join(self.manifest['splits'])}"
            )
        return np.flatnonzero(self.index.splits == SPLITS.index(split))

    def where(self, row: int) -> str:
        """How messages name an image: its path, inside a tar file after a colon."""
        return self._files.where(row)

    def open(self, row: int) -> Image.Image:
        """An image whose header has been read; `decode_rgb` does the rest.

        Raises:
            DataError: naming the image, if it cannot be read or has changed.
        """
        where = self.where(row)
        raw = self._files.read(row) if self._cached is None else self._cached.read(row, where)
        return open_image(raw, where)


def _read_manifest(folder: Path) -> dict:
    manifest = read_manifest(folder)
    if manifest.get("schema") != SCHEMA:
        raise DataError(
            f"{folder / MANIFEST} is no manifest of schema {SCHEMA}; make it with `polyrepro data "
            "verify`"
        )
    return manifest


def _read_index(path: Path, expected: str) -> ImageIndex:
    mend = "verify the data set again with `polyrepro data verify`"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; {mend}") from None
    found = hashlib.sha256(raw).hexdigest()
    if found != expected:
        raise DataError(
            f"{path} does not belong to the manifest beside it: sha256 is {found}, the manifest "
            f"has {expected}; {mend}"
        )
    return ImageIndex.from_bytes(raw)
