"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) in the files that torchvision reads and downloads.

They are pickles, which could run code: torchvision compares their checksums with those in its own
source before it opens any.
"""

from pathlib import Path

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError

CIFAR = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}
"""What `polyrepro data download` calls a data set, and its class in torchvision."""


def cifar_in(root: Path) -> str | None:
    """Which of the two lies in a folder, unpacked or packed; None if neither does."""
    for name in CIFAR:
        dataset = _class(name)
        if (root / dataset.base_folder).is_dir() or (root / dataset.filename).is_file():
            return name
    return None


def read_cifar(name: str, root: Path) -> tuple[tuple[str, ...], dict[str, tuple]]:
    """The images of `cifar10` or `cifar100`.

    A packed file is unpacked beside itself.

    Returns:
        The names of the classes, and for `train` and `test` the images, uint8, (images, 32, 32, 3),
        and the labels, int64, in the order of the files.

    Raises:
        DataError: if a file is missing or its checksum differs.
    """
    dataset = _class(name)
    packed = (root / dataset.filename).is_file()
    splits = {}
    for split in ("train", "test"):
        try:
            # Of a packed file with the right checksum nothing is downloaded.
            opened = dataset(root, train=split == "train", download=packed)
        except (RuntimeError, OSError) as error:
            raise DataError(
                f"the files of {CIFAR[name]} in {root} are incomplete or damaged ({error}); remove "
                f"{dataset.base_folder} and {dataset.filename} there and fetch them again: "
                f"polyrepro data download {name} --root {root}"
            ) from None
        splits[split] = (np.asarray(opened.data), np.asarray(opened.targets, np.int64))
    return tuple(opened.classes), splits


def download_cifar(name: str, root: Path) -> None:
    """Fetch the files of `cifar10` or `cifar100` into a folder; those there are kept.

    Raises:
        DataError: for another name, or if there is no network and the files are not there.
    """
    if name not in CIFAR:
        raise DataError(
            f"{name!r} cannot be downloaded; {' and '.join(CIFAR)} can. For other data give the "
            "folder under `data` in the configuration"
        )
    dataset = _class(name)
    try:
        dataset(root, download=True)
    except (RuntimeError, OSError) as error:
        raise DataError(
            f"cannot download {dataset.url}: {error}. Without a network copy "
            f"{dataset.filename} from another machine to {root}"
        ) from None


def _class(name: str):
    # Imported here because planning needs no torchvision.
    from torchvision import datasets

    return getattr(datasets, CIFAR[name])
