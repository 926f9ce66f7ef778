"""A large data set as trainings see it: opened from its verified index, read image by image."""

import functools
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from polyrepro.data.decoding import open_image
from polyrepro.data.image_arrays import DataError
from polyrepro.data.image_files import ImageFiles
from polyrepro.data.image_index import ImageIndex
from polyrepro.data.index_building import SPLITS
from polyrepro.data.manifests import MANIFEST, checksum, read_manifest
from polyrepro.data.verification import INDEX_FILE, SCHEMA


class IndexedImages:
    """Images of an index that `polyrepro data verify` wrote.

    Attributes:
        name: the data set's name.
        classes: class names; the label is the position.
        manifest: what the verification found.
        mean, std: of red, green and blue scaled to 0..1.
        class_groups: none; see `ImageArrays`.
        index: where every image lies.
    """

    channels = 3
    """Red, green and blue, whatever the files have."""

    def __init__(self, folder: Path) -> None:
        """Open the folder with `manifest.json` and `index.npz`.

        Raises:
            DataError: if one of them is missing or damaged, or they do not belong together.
        """
        self._folder = folder.absolute()
        self.manifest = _read_manifest(folder)
        self.index = _read_index(folder / INDEX_FILE, self.manifest["index_sha256"])
        self.name: str = self.manifest["dataset"]
        self.classes = tuple(self.manifest["classes"])
        self.mean, self.std = tuple(self.manifest["mean"]), tuple(self.manifest["std"])
        self.class_groups: dict[str, tuple[int, ...]] = {}
        self._files = ImageFiles(Path(self.manifest["root"]), self.index, self.classes)

    def __reduce__(self) -> tuple:
        """A process that is not forked opens the index itself."""
        return IndexedImages, (self._folder,)

    @property
    def several_labels(self) -> bool:
        """Whether images may have several classes."""
        return len(self.index.target_ends) > 0

    @functools.cached_property
    def citation(self) -> dict:
        """What run records and checkpoints cite.

        Names, sizes, labels and splits of all images enter through the checksum of the index, the
        bytes of those that were read through that of the checks. The root does not, so that data
        may be moved.
        """
        return {
            "dataset": self.name,
            "classes": len(self.classes),
            "splits": {name: split["images"] for name, split in self.manifest["splits"].items()},
            "checks": self.manifest["checks"],
            "index_sha256": self.manifest["index_sha256"],
            "manifest_sha256": checksum(self.manifest),
        }

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
        return open_image(self._files.read(row), self.where(row))


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
