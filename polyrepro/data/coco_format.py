"""Detection data in COCO's format: checked once, before anything is trained on it.

The training reads what :func:`verify_coco` writes into a data set's results folder: `index.json`
(where annotations and images lie) and, where boxes had to be dropped, a corrected annotation file.
Its manifest says what the data are; run records cite it.
"""

import hashlib
import json
import math
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from polyrepro.data.image_arrays import DataError
from polyrepro.files import write_json

INDEX = "index.json"
FULLY_CHECKED = 1000
"""Of larger splits, evenly spaced images: as many are opened, and their content is in the checksum;
of the others the name and the size of the file."""
NAMED = 10
"""How many missing files a message names."""


@dataclass(frozen=True)
class CocoSource:
    """One split: a COCO annotation file and the folder that its file names are relative to."""

    annotations: Path
    images: Path


@dataclass(frozen=True)
class CocoData:
    """A verified data set in COCO's format, as a training reads it.

    Attributes:
        classes: names, in the order of the annotation files.
        masks: whether every object has one.
        annotations, images: annotation file and folder of images of each split.
        citation: what a run record says about its data: the manifest.
    """

    name: str
    classes: tuple[str, ...]
    masks: bool
    annotations: dict[str, Path]
    images: dict[str, Path]
    citation: dict

    def count(self, split: str, most: int | None = None) -> int:
        """Number of images of a split, or `most` if that is less."""
        images = self.citation["splits"][split]["images"]
        return images if most is None else min(images, most)


def open_coco(folder: Path) -> CocoData:
    """What :func:`verify_coco` found.

    Raises:
        DataError: if the data set was not verified.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        index = json.loads((folder / INDEX).read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} holds no verified data set ({error}); make it with: polyrepro data verify "
            f"{folder.name} --output {folder}"
        ) from None
    return CocoData(
        name=manifest["dataset"],
        classes=tuple(manifest["classes"]),
        masks=manifest["masks"],
        annotations={split: Path(where["annotations"]) for split, where in index.items()},
        images={split: Path(where["images"]) for split, where in index.items()},
        citation=manifest,
    )


def verify_coco(name: str, sources: dict[str, CocoSource], folder: Path) -> dict:
    """Check the splits of a data set and write `folder/index.json`.

    Boxes without an area, or wholly outside their image, are dropped and counted. Category ids may
    have gaps, and images may be without objects.

    Args:
        name: of the data set.
        sources: by split, `train`, `validation` and `test`.
        folder: where the index is written, and corrected annotation files.

    Returns:
        The manifest: `classes`, `masks` (whether all objects have one), and by split the numbers of
        `images`, `objects`, objects `per_class`, `images_without_objects`, `dropped_boxes`, and
        `sha256` over the annotation file and the images.

    Raises:
        DataError: naming the file and what is wrong with it: missing, no COCO file, missing images
            (the first ten), other categories than in the training file, damaged image.
    """
    contents = {split: read_coco(source.annotations) for split, source in sources.items()}
    categories = {split: _categories(c, sources[split]) for split, c in contents.items()}
    _require_same_categories(categories, sources)
    manifest = {"dataset": name, "classes": list(categories["train"].values())}
    manifest["masks"] = all(
        bool(entry.get("segmentation")) for c in contents.values() for entry in c["annotations"]
    )
    index, splits = {}, {}
    for split, source in sources.items():
        content, dropped = _without_degenerate_boxes(contents[split], source)
        where = source.annotations
        if dropped:
            where = folder / f"{split}.json"
            write_json(where, content)
            print(f"{source.annotations}: {dropped} boxes without an area dropped", file=sys.stderr)
        index[split] = {
            "annotations": str(where.absolute()),
            "images": str(source.images.absolute()),
        }
        counts = Counter(entry["category_id"] for entry in content["annotations"])
        splits[split] = {
            "images": len(content["images"]),
            "objects": len(content["annotations"]),
            "per_class": [counts[number] for number in categories[split]],
            "images_without_objects": len(
                {i["id"] for i in content["images"]}
                - {a["image_id"] for a in content["annotations"]}
            ),
            "dropped_boxes": dropped,
            "sha256": _checksum(content["images"], source),
        }
    write_json(folder / INDEX, index)
    return {**manifest, "splits": splits}


def read_coco(path: Path) -> dict:
    """The content of an annotation file.

    Raises:
        DataError: if it is missing, or not in COCO's format.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"cannot read the annotation file {path}: {error.strerror}; give the root of a data "
            "set in COCO's format, as docs/detection.md describes it"
        ) from None
    except ValueError as error:
        raise DataError(f"the annotation file {path} is no JSON: {error}") from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise DataError(f"the annotation file {path} is not in COCO's format: no list {key!r}")
    _require_references(content, path)
    return content


def _require_references(content: dict, path: Path) -> None:
    """Ids are unique, and annotations belong to an image and a category."""
    known = {}
    for key in ("images", "annotations", "categories"):
        counts = Counter(entry.get("id") for entry in content[key])
        repeated = [number for number, count in counts.items() if count > 1]
        if None in counts or repeated:
            what = f"repeats the id {repeated[0]}" if repeated else "lacks an id"
            raise DataError(f"{path}: an entry of {key!r} {what}; ids must be unique")
        known[key] = counts
    for entry in content["annotations"]:
        for key, of in (("image_id", "images"), ("category_id", "categories")):
            if entry.get(key) not in known[of]:
                raise DataError(
                    f"{path}: annotation {entry['id']} has {key} {entry.get(key)!r}, which is not "
                    f"among its {of!r}"
                )


def _categories(content: dict, source: CocoSource) -> dict[int, str]:
    """Names by id, in the order of the file, which is MMDetection's order of classes."""
    names = {entry["id"]: str(entry.get("name", "")) for entry in content["categories"]}
    if not names or len(set(names.values())) < len(names):
        raise DataError(
            f"{source.annotations}: `categories` must have at least one entry, and names of their "
            f"own; got {list(names.values())}"
        )
    return names


def _require_same_categories(
    categories: dict[str, dict[int, str]], sources: dict[str, CocoSource]
) -> None:
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


def _without_degenerate_boxes(content: dict, source: CocoSource) -> tuple[dict, int]:
    """The content without boxes that have no area in their image, and how many there were."""
    sizes = {i["id"]: (i.get("width"), i.get("height")) for i in content["images"]}
    kept = []
    for entry in content["annotations"]:
        width, height = sizes[entry["image_id"]]
        if not (isinstance(width, int) and isinstance(height, int)):
            raise DataError(
                f"{source.annotations}: image {entry['image_id']} must have `width` and `height` "
                f"in whole pixels, got {width!r} and {height!r}"
            )
        if _has_area(entry.get("bbox"), width, height):
            kept.append(entry)
    dropped = len(content["annotations"]) - len(kept)
    return {**content, "annotations": kept}, dropped


def _has_area(box: object, width: int, height: int) -> bool:
    if not isinstance(box, list) or len(box) != 4 or not all(math.isfinite(v) for v in box):
        return False
    x, y, w, h = box
    return min(x + w, width) > max(x, 0) and min(y + h, height) > max(y, 0)


def _checksum(images: list[dict], source: CocoSource) -> str:
    """Over the annotation file, then each image's name and size and, of some, the content.

    Raises:
        DataError: naming the first images that are missing, or one that cannot be decoded.
    """
    paths = {source.images / entry["file_name"]: entry for entry in images}
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(images)} images of {source.annotations} are missing, the "
            f"first: {', '.join(missing[:NAMED])}; put them there, or give another root"
        )
    digest = hashlib.sha256(source.annotations.read_bytes())
    step = max(1, len(paths) // FULLY_CHECKED)
    for number, (path, entry) in enumerate(paths.items()):
        digest.update(f"{entry['file_name']} {path.stat().st_size}".encode())
        if number % step == 0:
            digest.update(path.read_bytes())
            _require_size(path, entry)
    return digest.hexdigest()


def _require_size(path: Path, entry: dict) -> None:
    from PIL import Image  # here because planning imports this module

    try:
        with Image.open(path) as image:
            image.load()
            size = image.size
    except OSError as error:
        raise DataError(f"the image {path} cannot be decoded: {error}; restore it") from None
    if size != (entry["width"], entry["height"]):
        raise DataError(
            f"the image {path} has {size[0]} x {size[1]} pixels, but its annotation file says "
            f"{entry['width']} x {entry['height']}: correct the file, or restore the image"
        )
