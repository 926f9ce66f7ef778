"""Finding the images of a data set: folders and tar files of one folder per class."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.indexed.image_datasets import ImageDataset
from polyrepro.data.indexed.tar_listing import list_tar

IMAGE_SUFFIXES = {
    *(".jpeg", ".jpg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff"),
    *(".gif", ".pcx", ".tga", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif"),
}
COMPRESSED = ("*.tar.*", "*.tgz", "*.zip")


class Found(NamedTuple):
    """An image, or with `name` None a folder.

    Attributes:
        folder: below its part of the data set; its last name is the class.
        name: file name.
        source: folder or tar file below the root that it is read from.
        offset: first byte inside a tar; -1 for a file of its own.
        size: in bytes.
    """

    folder: PurePosixPath
    name: str | None
    source: str
    offset: int
    size: int


@dataclass
class Part:
    """The images of one official split; the lists are parallel."""

    where: str
    class_folders: set[str] = field(default_factory=set)
    classes: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


def find_parts(dataset: ImageDataset, root: Path) -> dict[str, Part]:
    """List the images of every official split.

    Raises:
        DataError: if the root or a split is missing, or images lie outside class folders.
    """
    if not root.exists():
        raise DataError(
            f"{dataset.name}: there is no {root}; give the folder of the data set with --root, "
            "or under `data` in the configuration"
        )
    parts = {}
    for split, names in dataset.parts.items():
        found = _locate(root, names)
        if found is not None:
            where, entries = found
            parts[split] = _collect(dataset, where, entries)
    missing = [split for split in dataset.parts if split not in parts]
    if missing and not (dataset.lend and parts):
        raise _missing(dataset, root, missing[0])
    for split in missing:
        parts[split] = next(iter(parts.values()))
    return parts


def _locate(root: Path, names: tuple[str, ...]) -> tuple[str, Iterator[Found]] | None:
    """Where a part lies and what is in it; None if it is nowhere."""
    for name in names:
        if name == ".":
            return str(root), _walk_everything(root)
        if (root / name).is_dir():
            return str(root / name), _walk_folder(root, name)
        if (root / f"{name}.tar").is_file():
            return str(root / f"{name}.tar"), _walk_tar(root, f"{name}.tar")
    for tar in [root] if root.is_file() else sorted(root.glob("*.tar")):
        inside = [entry for entry in _walk_tar(tar.parent, tar.name) if _below(entry, names)]
        if inside:
            return f"{tar} (in it: {_below(inside[0], names)}/)", iter(inside)
    return None


def _below(entry: Found, names: tuple[str, ...]) -> str | None:
    """The one of `names` that is a folder around the entry."""
    return next((name for name in names if name in entry.folder.parts), None)


def _walk_everything(root: Path) -> Iterator[Found]:
    """Class folders, tars of one class, and tars of many, all directly below the root."""
    if root.is_file():
        yield from _walk_tar(root.parent, root.name)
        return
    yield from _walk_folder(root, ".")
    for tar in sorted(root.glob("*.tar")):
        for entry in _walk_tar(root, tar.name):
            # n01440764.tar holds its images without a folder.
            inside = entry.folder.parts or entry.name is None
            yield entry if inside else entry._replace(folder=PurePosixPath(tar.stem))


def _walk_tar(root: Path, name: str) -> Iterator[Found]:
    for member in list_tar(root / name):
        if member.offset is None:
            yield Found(member.path, None, name, -1, 0)
        else:
            yield Found(member.path.parent, member.path.name, name, member.offset, member.size)


def _walk_folder(root: Path, name: str) -> Iterator[Found]:
    """Class folders are read side by side: on a network file system each answer takes its time."""
    top = _read_folder(root, name, PurePosixPath())
    yield from top
    folders = sorted(str(entry.folder) for entry in top if entry.name is None)
    with ThreadPoolExecutor(16) as pool:
        paths = [os.path.normpath(f"{name}/{folder}") for folder in folders]
        for entries in pool.map(_read_folder, [root] * len(paths), paths, folders):
            yield from (entry for entry in entries if entry.name is not None)


def _read_folder(root: Path, source: str, folder: str | PurePosixPath) -> list[Found]:
    entries = []
    with os.scandir(root / source) as listing:
        for entry in listing:
            if entry.is_dir():
                entries.append(Found(PurePosixPath(folder, entry.name), None, source, -1, 0))
            elif not entry.name.endswith(".tar"):
                size = _size(entry)
                entries.append(Found(PurePosixPath(folder), entry.name, source, -1, size))
    return entries


def _size(entry: os.DirEntry) -> int:
    try:
        return entry.stat().st_size
    except OSError as error:
        raise DataError(
            f"cannot read {entry.path}: {error.strerror}; restore the file or the link's target"
        ) from None


def _collect(dataset: ImageDataset, where: str, entries: Iterator[Found]) -> Part:
    part = Part(where)
    known = set(dataset.classes)
    for entry in entries:
        class_name = entry.folder.name
        if entry.name is None:
            if class_name in known:
                part.class_folders.add(class_name)
        elif not is_image(entry.name):
            hidden = entry.name.startswith(".")
            part.ignored["hidden" if hidden else PurePosixPath(entry.name).suffix] += 1
        elif not class_name or any(class_name in names for names in dataset.parts.values()):
            raise DataError(
                f"{where} is not sorted into class folders: {entry.name} lies directly in it. "
                "Move each image into the folder of its synset, as in "
                f"{dataset.classes[0]}/{entry.name} (for ImageNet-1K, valprep.sh of soumith's "
                "imagenetloader.torch does it), and verify again"
            )
        else:
            part.class_folders.add(class_name)
            part.classes.append(class_name)
            part.names.append(entry.name)
            part.sources.append(entry.source)
            part.offsets.append(entry.offset)
            part.sizes.append(entry.size)
    return part


def is_image(name: str) -> bool:
    """By its suffix; hidden files, such as the `._` files of macOS, are none."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _missing(dataset: ImageDataset, root: Path, split: str) -> DataError:
    names = dataset.parts[split]
    looked = ", ".join(f"{name}/, {name}.tar" for name in names)
    text = f"{dataset.name}: no {split} images in {root}; looked for {looked}"
    compressed = [] if root.is_file() else [f for p in COMPRESSED for f in sorted(root.glob(p))]
    if compressed:
        text += (
            f". {compressed[0].name} is compressed, so its images cannot be read in place: "
            "decompress it"
        )
    else:
        text += ". Copy or link the folder or tar file there, or give another --root"
    if dataset.name == "imagenet1k":
        text += "; for a few photographs in this layout there is imagenet1k_sample"
    return DataError(text)
