"""Class folders of any names: which images of which class lie in which split."""

import os
from dataclasses import dataclass
from pathlib import Path

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.indexed.layouts import is_image

NAMES = {
    "train": ("train",),
    "test": ("test",),
    "validation": ("validation", "valid", "val"),
}
"""What the folder of a split may be called."""

SHOWN = 5
"""How many of many names a message shows."""


@dataclass(frozen=True)
class FoundImages:
    """The images of one split; the lists are parallel and sorted by class and name.

    Attributes:
        folder: that the class folders are in.
        labels: positions in the sorted names of all classes.
        paths: of the files.
        ignored: number of files that are no images.
    """

    folder: Path
    labels: list[int]
    paths: list[Path]
    ignored: int


def find_images(root: Path) -> tuple[tuple[str, ...], dict[str, FoundImages]]:
    """List class folders below `train/` and `test/`, and below `validation/` if it is there.

    Where there is no `test/`, the images of `validation/` are the test split.

    Returns:
        The names of the classes, sorted, and the images of each split.

    Raises:
        DataError: if a split or its class folders are missing, a class is empty, images lie beside
            the class folders, or the classes of two splits differ.
    """
    folders = _split_folders(root)
    classes = {split: _class_names(folder) for split, folder in folders.items()}
    known = classes["train"]
    for split, names in classes.items():
        _require_same(folders["train"], known, folders[split], names)
    return known, {split: _list(folder, known) for split, folder in folders.items()}


def _split_folders(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise DataError(
            f"there is no folder {root}; give the folder of the images with --root, or under "
            "`data` in the configuration"
        )
    found = {
        split: folder
        for split, names in NAMES.items()
        if (folder := next((root / n for n in names if (root / n).is_dir()), None)) is not None
    }
    if "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")
    for split in ("train", "test"):
        if split not in found:
            raise DataError(
                f"no {split} images in {root}; expected are class folders in {root}/train and "
                f"{root}/test, such as train/cat/1.png, or the files of CIFAR-10 or CIFAR-100 "
                "(`polyrepro data download cifar10` fetches them)"
            )
    return found


def _class_names(folder: Path) -> tuple[str, ...]:
    with os.scandir(folder) as entries:
        listed = list(entries)
    names = sorted(e.name for e in listed if e.is_dir() and not e.name.startswith("."))
    loose = sorted(e.name for e in listed if e.is_file() and is_image(e.name))
    if not names or loose:
        what = "has no class folders" if not names else "has images beside its class folders"
        example = f"{loose[0]} into {folder}/CLASS/{loose[0]}" if loose else f"{folder}/cat/1.png"
        raise DataError(
            f"{folder} {what}; the class of an image is the folder that it lies in, so move "
            f"each image into the folder of its class ({example})"
        )
    if len(names) < 2:
        raise DataError(
            f"{folder} has one class folder, {names[0]}; there have to be at least two classes"
        )
    return tuple(names)


def _require_same(
    train: Path, expected: tuple[str, ...], folder: Path, names: tuple[str, ...]
) -> None:
    missing, unknown = sorted(set(expected) - set(names)), sorted(set(names) - set(expected))
    if missing or unknown:
        parts = [f"{what}: {_first(n)}" for what, n in (("lacks", missing), ("adds", unknown)) if n]
        raise DataError(
            f"the classes of {folder} differ from those of {train}: it {'; it '.join(parts)}. "
            "Both need the same class folders: rename, add or move away what differs"
        )


def _list(folder: Path, classes: tuple[str, ...]) -> FoundImages:
    labels: list[int] = []
    paths: list[Path] = []
    ignored = 0
    empty = []
    for label, name in enumerate(classes):
        files = sorted(entry.name for entry in os.scandir(folder / name) if entry.is_file())
        images = [file for file in files if is_image(file)]
        ignored += len(files) - len(images)
        labels += [label] * len(images)
        paths += [folder / name / file for file in images]
        empty += [] if images else [name]
    if empty:
        raise DataError(
            f"there are no images in {len(empty):,} of the {len(classes):,} class folders of "
            f"{folder}: {_first(empty)}; put some there, or remove these folders from all splits"
        )
    return FoundImages(folder, labels, paths, ignored)


def _first(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
