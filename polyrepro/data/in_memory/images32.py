"""Images of 32 pixels that fit into memory: class folders of any names, CIFAR-10, CIFAR-100.

They are read, resized and checked once, by the verification; trainings open one file of arrays.
"""

import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from polyrepro.data.in_memory.cifar_files import cifar_in, read_cifar
from polyrepro.data.in_memory.image_arrays import DataError, ImageArrays, Split
from polyrepro.data.in_memory.image_decoding import SIDE, decode_all
from polyrepro.data.in_memory.image_folders import find_images
from polyrepro.data.in_memory.long_tail import make_long_tailed
from polyrepro.data.in_memory.memory_limit import require_memory
from polyrepro.data.manifests import read_manifest
from polyrepro.data.stratified import held_out, interleaved, ranks_in_class
from polyrepro.files import write_atomically

NAME = "images32"
LONG_TAIL = f"{NAME}_long_tail"
IMAGES32 = (NAME, LONG_TAIL)
"""The data set, and the same with a long-tailed training split."""

LONG_TAIL_RATIO = 100
HELD_OUT_PART = 10
"""Of each training class so many-th part is held out where there are no validation images."""

ARRAYS_FILE = "images.npz"
SIZES_SHOWN = 10
"""Of many sizes of images the manifest keeps the most frequent."""


def verify_images32(name: str, root: Path, folder: Path) -> tuple[dict, list[str]]:
    """Read a data set, resize what is not 32 pixels wide and high, and write its arrays.

    Args:
        root: with class folders in `train/` and `test/`, or with the files of CIFAR-10 or -100.
        folder: where the arrays are written.

    Returns:
        The manifest, and lines that say what was found.

    Raises:
        DataError: if anything about the data is not as it should be; nothing is written then.
    """
    root = root.absolute()
    cifar = cifar_in(root)
    data, notes = _from_cifar(cifar, root) if cifar else _from_folders(root)
    if name == LONG_TAIL:
        data = make_long_tailed(data, ratio=LONG_TAIL_RATIO)
    arrays = {}
    for split_name, split in data.splits.items():
        arrays |= {f"{split_name}_images": split.images, f"{split_name}_labels": split.labels}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(folder / ARRAYS_FILE, buffer.getvalue())
    groups = {group: list(labels) for group, labels in data.class_groups.items()}
    manifest = data.manifest | {"root": str(root), "mean": data.mean, "std": data.std}
    manifest |= {"class_groups": groups, "read": notes}
    counts = ", ".join(f"{len(s.labels):,} {n}" for n, s in data.splits.items())
    sizes = ", ".join(f"{count:,} of {size}" for size, count in notes["sizes"].items())
    lines = [
        f"read as {notes['source']}; sizes in pixels: {sizes}",
        f"resized to {SIDE} x {SIDE}: {notes['resized']:,} images; files that are no images: "
        f"{notes['files_ignored']:,}",
        f"{len(data.classes)} classes, {counts} images; written to {folder}",
    ]
    return manifest, lines


def open_images32(name: str, folder: Path) -> ImageArrays:
    """A verified data set.

    Raises:
        DataError: if it has not been verified, or its arrays are not those of the manifest.
    """
    manifest = read_manifest(folder)
    path = folder / ARRAYS_FILE
    mend = "verify the data set again with `polyrepro data verify`"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            splits = {
                split: Split(arrays[f"{split}_images"], arrays[f"{split}_labels"])
                for split in manifest["splits"]
            }
            data = ImageArrays(
                name=manifest["dataset"],
                classes=tuple(manifest["classes"]),
                splits=splits,
                mean=tuple(manifest["mean"]),
                std=tuple(manifest["std"]),
                class_groups={g: tuple(c) for g, c in manifest["class_groups"].items()},
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read {path}: {error}; {mend}") from None
    if data.name != name:
        raise DataError(f"{folder} holds {data.name}, not {name}; {mend}")
    if data.manifest["splits"] != manifest["splits"]:
        raise DataError(f"{path} is not what the manifest beside it describes; {mend}")
    return data


def _from_folders(root: Path) -> tuple[ImageArrays, dict]:
    classes, found = find_images(root)
    require_memory(root, sum(len(images.paths) for images in found.values()), SIDE)
    splits, names, sizes = {}, {}, Counter()
    for split, images in found.items():
        pixels, split_sizes = decode_all(images.paths)
        splits[split] = Split(pixels, np.array(images.labels, np.int64))
        names[split] = [path.name for path in images.paths]
        sizes.update(split_sizes)
    notes = {
        "source": f"class folders in {root.name}",
        "sizes": dict(sizes.most_common(SIZES_SHOWN)),
        "resized": sizes.total() - sizes[f"{SIDE} x {SIDE}"],
        "files_ignored": sum(images.ignored for images in found.values()),
    }
    return _arranged(classes, splits, names["train"]), notes


def _from_cifar(cifar: str, root: Path) -> tuple[ImageArrays, dict]:
    classes, arrays = read_cifar(cifar, root)
    splits = {split: Split(*pair) for split, pair in arrays.items()}
    names = [f"{number:05d}" for number in range(len(splits["train"].labels))]
    notes = {
        "source": f"{cifar} (torchvision's files, checksums verified)",
        "sizes": {f"{SIDE} x {SIDE}": sum(len(split.labels) for split in splits.values())},
        "resized": 0,
        "files_ignored": 0,
    }
    return _arranged(classes, splits, names), notes


def _arranged(classes: tuple[str, ...], splits: dict[str, Split], names: list[str]) -> ImageArrays:
    """Hold out validation images if there are none, and interleave the classes in training.

    Args:
        names: of the training images.
    """
    train = splits["train"]
    ranks = ranks_in_class(NAME, classes, train.labels, names)
    order = interleaved(train.labels, ranks)
    if "validation" not in splits:
        held = held_out(classes, train.labels, ranks, HELD_OUT_PART)
        splits = splits | {"validation": train.take(np.flatnonzero(held))}
        order = order[~held[order]]
    train = train.take(order)
    return ImageArrays(
        name=NAME,
        classes=classes,
        splits={"train": train, "validation": splits["validation"], "test": splits["test"]},
        mean=_per_channel(train.images.mean(axis=(0, 1, 2))),
        std=_per_channel(train.images.std(axis=(0, 1, 2))),
    )


def _per_channel(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value) / 255, 4) for value in values)
