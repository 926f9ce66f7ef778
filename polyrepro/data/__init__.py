"""Data sets by name."""

from pathlib import Path
from typing import TYPE_CHECKING

from polyrepro.data.coco.coco_format import CocoData
from polyrepro.data.detection_datasets import (
    DETECTION_DATASETS,
    FOLDERS,
    LIDAR_FOLDERS,
    open_detection,
)
from polyrepro.data.in_memory.fashion_mnist import load_fashion_mnist
from polyrepro.data.in_memory.image_arrays import DataError, ImageArrays, Split
from polyrepro.data.in_memory.images32 import IMAGES32, open_images32
from polyrepro.data.in_memory.kanji import KANJI_DATASETS
from polyrepro.data.in_memory.long_tail import make_long_tailed
from polyrepro.data.in_memory.two_classes import one_against_rest
from polyrepro.data.indexed.image_datasets import IMAGE_DATASETS
from polyrepro.data.lidar.lidar_format import LidarData
from polyrepro.data.manifests import MANIFEST, read_manifest
from polyrepro.files import data_folder

if TYPE_CHECKING:
    from polyrepro.data.indexed.indexed_images import IndexedImages

__all__ = [
    "DATASETS",
    "DETECTION_DATASETS",
    "EXTERNAL_DATASETS",
    "IMAGES32",
    "CocoData",
    "DataError",
    "ImageArrays",
    "Split",
    "load",
    "open_dataset",
]

EXTERNAL_DATASETS = (*IMAGE_DATASETS, IMAGES32[0], *FOLDERS, *LIDAR_FOLDERS)
"""Data sets whose folder the configuration names; a long tail is made from that of its images."""


def _fashion_mnist_long_tail() -> ImageArrays:
    return make_long_tailed(load_fashion_mnist(), ratio=50)


def _fashion_mnist_shirt() -> ImageArrays:
    return one_against_rest(load_fashion_mnist(), "shirt")


DATASETS = {
    "fashion_mnist": load_fashion_mnist,
    "fashion_mnist_long_tail": _fashion_mnist_long_tail,
    "fashion_mnist_shirt": _fashion_mnist_shirt,
    **KANJI_DATASETS,
}


def load(name: str) -> ImageArrays:
    """Load and verify the data set `name`.

    Raises:
        DataError: if the name is unknown, or the file is missing or damaged.
    """
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}; known are: {', '.join(DATASETS)}")
    return DATASETS[name]()


def open_dataset(
    name: str, results: Path, cache: tuple[Path, int] | None = None
) -> "ImageArrays | IndexedImages | CocoData | LidarData":
    """The data set for a training: an embedded one, or the verified index below `results`.

    Args:
        cache: of an index of images; see `IndexedImages`.

    Raises:
        DataError: if the name is unknown, or the data set has not been verified or is damaged.
    """
    if name in DETECTION_DATASETS:
        return open_detection(name, results)
    if name in IMAGES32:
        return open_images32(name, data_folder(results, name))
    if name not in IMAGE_DATASETS:
        return _load_as_verified(name, data_folder(results, name))
    from polyrepro.data.indexed.indexed_images import IndexedImages

    folder = data_folder(results, name)
    data = IndexedImages(folder, cache)
    if data.name != name:
        raise DataError(f"{folder} holds the index of {data.name}, not of {name}; verify it again")
    return data


def _load_as_verified(name: str, folder: Path) -> ImageArrays:
    """An embedded data set; its manifest in the results folder, if it is there, has to fit."""
    data = load(name)
    if (folder / MANIFEST).exists() and read_manifest(folder) != data.manifest:
        raise DataError(
            f"{folder / MANIFEST} is not that of {name} in this version of polyrepro; make it "
            f"again: polyrepro data verify {name} --output {folder}"
        )
    return data
