"""Detection data in COCO's format: checked once, before anything is trained on it.

Training, evaluation and figures read what :func:`verify_coco` writes into a data set's results
folder: an annotation file per split, with what was wrong corrected or left out, and `index.json`,
which says where they and the images lie. The manifest says what the data are; records cite it.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from polyrepro.data.coco.coco_images import checked_files
from polyrepro.data.coco.entries import checked_categories, checked_images, usable_ids
from polyrepro.data.coco.notes import Notes
from polyrepro.data.coco.objects import NO_MASK, UNUSABLE_MASK, usable_objects
from polyrepro.data.coco.reading import CocoSource, Content
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.verified_splits import (
    DetectionData,
    annotation_file,
    read_splits,
    write_splits,
)


@dataclass(frozen=True, kw_only=True)
class CocoData(DetectionData):
    """A verified data set in COCO's format, as a training reads it.

    Attributes:
        masks: whether every object has one.
        images: folder of images of each split.
    """

    masks: bool
    images: dict[str, Path]


def open_coco(folder: Path) -> CocoData:
    """What :func:`verify_coco` found.

    Raises:
        DataError: if the data set was not verified, or a file of the verification was changed.
    """
    annotations, images, manifest = read_splits(folder, "images")
    return CocoData(
        name=manifest["dataset"],
        classes=tuple(manifest["classes"]),
        masks=manifest["masks"],
        annotations=annotations,
        images=images,
        citation=manifest,
    )


def verify_coco(name: str, sources: dict[str, CocoSource], folder: Path) -> dict:
    """Check the splits of a data set; write their annotation files and `folder/index.json`.

    Category ids may have gaps, and images may be without objects. What is corrected or left out is
    counted and printed, with the first ten entries of each kind.

    Args:
        name: of the data set.
        sources: by split, `train`, `validation` and `test`.
        folder: where the files are written; only if everything is as it should be.

    Returns:
        The manifest: `classes`, `masks` (whether all objects have one), and by split the numbers of
        `images`, `objects`, objects `per_class`, `images_without_objects`, `dropped_boxes`, and
        `sha256` over the annotation file and the images.

    Raises:
        DataError: naming the file and what is wrong with it: missing, no COCO file, missing images
            (the first ten), other categories than in the training file, damaged image, no objects,
            an entry that cannot be read.
    """
    _require_other_files(sources, folder)
    contents = {split: source.read() for split, source in sources.items()}
    notes = {split: Notes(source.annotations) for split, source in sources.items()}
    categories = {split: checked_categories(contents[split], notes[split]) for split in sources}
    _require_same_categories(categories, sources)
    verified, splits = {}, {}
    for split, source in sources.items():
        verified[split], dropped = _verified(
            contents[split], categories[split], split, notes[split]
        )
        verified[split]["images"], checksum = checked_files(
            verified[split]["images"], source, notes[split]
        )
        splits[split] = _count(verified[split]) | {"dropped_boxes": dropped, "sha256": checksum}
    masks = _all_have_masks(verified, notes)
    from polyrepro.data.coco.coco_evaluation import (
        require_evaluation,  # planning needs no pycocotools
    )

    for split in [split for split in verified if split != "train"]:
        require_evaluation(verified[split], masks, sources[split].annotations)
    write_splits(folder, verified, "images", {s: source.images for s, source in sources.items()})
    for entry in notes.values():
        entry.print()
    return {
        "dataset": name,
        "classes": list(categories["train"].values()),
        "masks": masks,
        "splits": splits,
    }


def _verified(content: Content, categories: dict, split: str, notes: Notes) -> tuple[dict, int]:
    """The part of an annotation file that is used, and how many objects are not in it."""
    images = checked_images(content, notes)
    ids = dict(zip(content["categories"], categories, strict=True))
    numbers = usable_ids("categories", ids, 0, notes)
    number_of = dict(zip(categories, numbers, strict=True))
    training = split == "train"
    objects = usable_objects(content, images, number_of, training, notes)
    if all(entry["iscrowd"] for entry in objects):
        raise DataError(
            f"{notes.path}: the split {split!r} has no object to "
            f"{'train on' if training else 'be found'} among its {len(content['annotations']):,} "
            "annotations (crowds do not count); give it annotations"
            + ("" if split != "test" else ", or remove the file, and `val` is the test split")
            + "".join(f"\n  {line}" for line in notes.lines())
        )
    used = {
        "images": list(images.values()),
        "annotations": objects,
        "categories": [{"id": number_of[i], "name": name} for i, name in categories.items()],
    }
    return used, len(content["annotations"]) - len(objects)


def _require_same_categories(categories: dict[str, dict], sources: dict[str, CocoSource]) -> None:
    expected = list(categories["train"].items())
    for split, found in categories.items():
        if list(found.items()) != expected:
            raise DataError(
                f"the class list of {sources[split].annotations} does not match that of "
                f"{sources['train'].annotations}: {_difference(list(found.items()), expected)}; "
                "all files must have the same `categories` in the same order"
            )


def _difference(found: list[tuple], expected: list[tuple]) -> str:
    for position, (one, other) in enumerate(zip(found, expected, strict=False)):
        if one != other:
            return f"entry {position + 1} is {one[0]} {one[1]!r} instead of {other[0]} {other[1]!r}"
    return f"it has {len(found)} entries instead of {len(expected)}"


def _all_have_masks(verified: dict[str, dict], notes: dict[str, Notes]) -> bool:
    """Whether masks can be trained and evaluated; if a few lack them, a line says so."""
    objects = [entry for content in verified.values() for entry in content["annotations"]]
    lacking = sum("segmentation" not in entry for entry in objects)
    unusable = sum(entry.counts.get(UNUSABLE_MASK, 0) for entry in notes.values())
    if lacking == len(objects) and not unusable:
        for entry in notes.values():
            entry.counts.pop(NO_MASK, None)  # data of boxes only: nothing to report
    elif lacking:
        print(
            f"{lacking:,} of {len(objects):,} objects have no mask that can be used, so no masks "
            "are trained or evaluated (Mask R-CNN is trained without its mask head, or refused at "
            "the scale `paper`); give them masks, or remove them, and verify again",
            file=sys.stderr,
        )
    return not lacking


def _count(content: dict) -> dict:
    per_class = Counter(entry["category_id"] for entry in content["annotations"])
    with_objects = {entry["image_id"] for entry in content["annotations"]}
    return {
        "images": len(content["images"]),
        "objects": len(content["annotations"]),
        "per_class": [per_class[category["id"]] for category in content["categories"]],
        "images_without_objects": len(content["images"]) - len(with_objects),
    }


def _require_other_files(sources: dict[str, CocoSource], folder: Path) -> None:
    written = {annotation_file(folder, split).resolve() for split in sources}
    for source in sources.values():
        if source.annotations.resolve() in written:
            raise DataError(
                f"{source.annotations} would be overwritten; give another folder with --output"
            )
