"""From listed images to an index: classes checked, splits made, rows sorted."""

from itertools import pairwise

import numpy as np

from polyrepro.data.held_out import held_out_positions
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.indexed.image_datasets import ImageDataset
from polyrepro.data.indexed.image_index import ImageIndex, pack
from polyrepro.data.indexed.layouts import Part
from polyrepro.data.indexed.pareto_tail import thinned

SPLITS = ("train", "validation", "test")
SHOWN = 10
"""How many of many names a message shows."""


def build_index(
    dataset: ImageDataset, parts: dict[str, Part], multi_label: dict[str, list[int]] | None
) -> ImageIndex:
    """The index of a data set whose images have been listed.

    Args:
        parts: images per official split.
        multi_label: labels by `CLASS_FOLDER/FILE`, or None if every image has one class.

    Raises:
        DataError: if classes are missing, unknown or empty, or two images have one name.
    """
    for part in parts.values():
        check_classes(dataset, part)
    label_of = {name: label for label, name in enumerate(dataset.classes)}
    numbers: dict[str, int] = {}
    columns: dict[str, list[int]] = {key: [] for key in ("source", "offset", "size", "label")}
    names: list[str] = []
    splits: list[int] = []
    for split, part, positions in _split_rows(dataset, parts):
        splits += [SPLITS.index(split)] * len(positions)
        for i in positions:
            names.append(part.names[i])
            columns["source"].append(numbers.setdefault(part.sources[i], len(numbers)))
            columns["offset"].append(part.offsets[i])
            columns["size"].append(part.sizes[i])
            columns["label"].append(label_of[part.classes[i]])
    source_texts, source_ends = pack(list(numbers))
    name_texts, name_ends = pack(names)
    target_ends, targets = _targets(dataset, names, columns["label"], multi_label)
    return ImageIndex(
        source_texts=source_texts,
        source_ends=source_ends,
        name_texts=name_texts,
        name_ends=name_ends,
        sources=np.array(columns["source"], np.int32),
        offsets=np.array(columns["offset"], np.int64),
        sizes=np.array(columns["size"], np.int64),
        labels=np.array(columns["label"], np.int32),
        splits=np.array(splits, np.uint8),
        target_ends=target_ends,
        targets=targets,
    )


def check_classes(dataset: ImageDataset, part: Part) -> None:
    """Refuse a part with unknown, missing or empty classes."""
    known = set(dataset.classes)
    unknown = sorted(part.class_folders - known)
    missing = sorted(known - part.class_folders)
    counts = dataset.class_counts
    if unknown or (counts and len(part.class_folders) not in counts):
        wanted = " or ".join(f"{count:,}" for count in counts) or f"up to {len(known):,}"
        text = f"{part.where} has {len(part.class_folders):,} classes, {dataset.name} has {wanted}"
        if missing and counts:
            text += f"; restore the missing ones ({len(missing):,}): {_first(missing)}"
        if unknown:
            text += f"; move away those that are not its own ({len(unknown):,}): {_first(unknown)}"
        raise DataError(text)
    if not part.class_folders:
        raise DataError(
            f"{part.where} has no class folders; the class of an image is the folder that it lies "
            f"in, named after its synset, such as {dataset.classes[0]}/1.JPEG"
        )
    empty = sorted(part.class_folders - set(part.classes))
    if empty:
        raise DataError(
            f"there are no images of {len(empty):,} of the {len(part.class_folders):,} classes in "
            f"{part.where}: {_first(empty)}; restore them"
        )


def _first(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _split_rows(dataset: ImageDataset, parts: dict[str, Part]) -> list[tuple[str, Part, list[int]]]:
    """Per split its part and the positions of its images there, by class and name."""
    rows = {split: (part, _sorted_positions(part)) for split, part in parts.items()}
    if dataset.held_out:
        part, order = rows["train"]
        wanted = sum(dataset.held_out.values())
        if wanted >= len(order):
            raise DataError(
                f"{part.where} has {len(order):,} images, of which {wanted:,} would be held out "
                f"({', '.join(dataset.held_out)}); {dataset.name} is not complete, restore it"
            )
        held = held_out_positions(dataset.name, part.classes, part.names, dataset.held_out)
        split_of = np.full(len(order), SPLITS.index("train"), np.uint8)
        for split, positions in held.items():
            split_of[positions] = SPLITS.index(split)
        ordered = np.array(order)
        for split in ("train", *held):
            keep = split_of[ordered] == SPLITS.index(split)
            rows[split] = (part, ordered[keep].tolist())
    if dataset.tail is not None:
        part, order = rows["train"]
        kept = thinned(dataset.tail, part.where, order, part.classes, part.names)
        rows["train"] = (part, kept)
    return [(split, *rows[split]) for split in SPLITS if split in rows]


def _sorted_positions(part: Part) -> list[int]:
    """By class and name: folders and tar files of the same images give the same order."""
    keys = list(zip(part.classes, part.names, strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    for one, other in pairwise(order):
        if keys[one] == keys[other]:
            raise DataError(
                f"{part.where}: {'/'.join(keys[one])} is there twice (in {part.sources[one]} and "
                f"{part.sources[other]}); remove one of them"
            )
    return order


def _targets(
    dataset: ImageDataset,
    names: list[str],
    labels: list[int],
    multi_label: dict[str, list[int]] | None,
) -> tuple[np.ndarray, np.ndarray]:
    if multi_label is None:
        return np.empty(0, np.int64), np.empty(0, np.int32)
    keys = [f"{dataset.classes[c]}/{name}" for c, name in zip(labels, names, strict=True)]
    absent = sorted(set(multi_label) - set(keys))
    if absent:
        raise DataError(
            f"the file of labels names {len(absent):,} images that are not there: {_first(absent)};"
            " remove their lines or restore them"
        )
    targets = [multi_label.get(key, [label]) for key, label in zip(keys, labels, strict=True)]
    ends = np.cumsum([len(several) for several in targets], dtype=np.int64)
    return ends, np.array([label for several in targets for label in several], np.int32)
