"""A small data set that lives in memory."""

import functools
import hashlib
from dataclasses import dataclass, field

import numpy as np

from polyrepro.errors import PolyreproError


class DataError(PolyreproError):
    """Data that are missing, damaged, or not those requested."""


@dataclass(frozen=True)
class Split:
    """Images and labels of one split.

    Attributes:
        images: uint8, (images, height, width), grey values 0..255, or (images, height, width, 3)
            with red, green and blue.
        labels: int64, (images,), class indices.
    """

    images: np.ndarray
    labels: np.ndarray

    def take(self, positions: np.ndarray | slice) -> "Split":
        """The images at `positions`, in that order."""
        return Split(self.images[positions], self.labels[positions])

    def sha256(self) -> str:
        """Checksum over shape, pixels and labels, in order."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images))
        digest.update(np.ascontiguousarray(self.labels))
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class ImageArrays:
    """A data set in memory; equal to itself alone, so that it can be the key of a cache.

    Attributes:
        name: the name used in recipes, records and tables.
        classes: class names; the label is the position.
        splits: `train`, `validation` (for choosing hyper-parameters) and `test`.
        mean, std: of the training pixels scaled to 0..1, for normalisation; of coloured images
            one number per channel.
        class_groups: named groups of classes whose accuracy is reported apart, e.g. `tail`.
    """

    name: str
    classes: tuple[str, ...]
    splits: dict[str, Split]
    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]
    class_groups: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """1 of grey images, 3 of coloured ones."""
        return 1 if self.splits["train"].images.ndim == 3 else 3

    def split(self, name: str) -> Split:
        """A split by name.

        Raises:
            DataError: if the data set has no such split.
        """
        if name not in self.splits:
            raise DataError(f"{self.name} has no split {name!r}; it has {', '.join(self.splits)}")
        return self.splits[name]

    @functools.cached_property
    def citation(self) -> dict:
        """What run records and checkpoints cite; a thousand classes would be most of a record."""
        splits = {
            name: {"images": len(split.labels), "sha256": split.sha256()}
            for name, split in self.splits.items()
        }
        return {"dataset": self.name, "classes": len(self.classes), "splits": splits}

    @functools.cached_property
    def manifest(self) -> dict:
        """The classes, and counts per class and a checksum per split."""
        classes = len(self.classes)
        splits = {
            name: cited
            | {"per_class": np.bincount(self.splits[name].labels, minlength=classes).tolist()}
            for name, cited in self.citation["splits"].items()
        }
        return {"dataset": self.name, "classes": list(self.classes), "splits": splits}
