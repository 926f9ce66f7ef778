"""Data sets by name."""

from pathlib import Path
from typing import TYPE_CHECKING

from polyrepro.data.coco_format import CocoData
from polyrepro.data.detection import (
    DETECTION_DATASETS,
    FOLDERS,
    LIDAR_FOLDERS,
    open_detection,
)
from polyrepro.data.fashion_mnist import load_fashion_mnist
from polyrepro.data.image_arrays import DataError, ImageArrays, Split
from polyrepro.data.image_datasets import IMAGE_DATASETS
from polyrepro.data.kanji import KANJI_DATASETS
from polyrepro.data.lidar_format import LidarData
from polyrepro.data.long_tail import make_long_tailed
from polyrepro.data.manifests import MANIFEST, read_manifest
from polyrepro.files import data_folder

if TYPE_CHECKING:
    from polyrepro.data.indexed_images import IndexedImages

__all__ = [
    "DATASETS",
    "DETECTION_DATASETS",
    "EXTERNAL_DATASETS",
    "CocoData",
    "DataError",
    "ImageArrays",
    "Split",
    "load",
    "open_dataset",
]

EXTERNAL_DATASETS = (*IMAGE_DATASETS, *FOLDERS, *LIDAR_FOLDERS)
"""Data sets whose folder the configuration names."""


def _fashion_mnist_long_tail() -> ImageArrays:
    return make_long_tailed(load_fashion_mnist(), ratio=50)


DATASETS = {
    "fashion_mnist": load_fashion_mnist,
    "fashion_mnist_long_tail": _fashion_mnist_long_tail,
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


def open_dataset(name: str, results: Path) -> "ImageArrays | IndexedImages | CocoData | LidarData":
    """The data set for a training: an embedded one, or the verified index below `results`.

    Raises:
        DataError: if the name is unknown, or the data set has not been verified or is damaged.
    """
    if name in DETECTION_DATASETS:
        return open_detection(name, results)
    if name not in IMAGE_DATASETS:
        return _load_as_verified(name, data_folder(results, name))
    from polyrepro.data.indexed_images import IndexedImages

    folder = data_folder(results, name)
    data = IndexedImages(folder)
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
