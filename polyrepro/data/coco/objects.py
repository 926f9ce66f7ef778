"""Annotations of a split: what MMDetection and pycocotools can use, and what is left out.

MMDetection's `CocoDataset` passes over some objects without a word; here the same ones are left
out, counted and named. Where a key is missing or unusable but its value follows from the others,
it is filled in. Anything else is an error that names the entry.
"""

from collections.abc import Hashable

from polyrepro.data.coco.entries import checked_id, usable_ids
from polyrepro.data.coco.masks import covers_pixels, is_number, usable_mask
from polyrepro.data.coco.notes import Notes
from polyrepro.data.coco.reading import Content, shortened
from polyrepro.data.in_memory.image_arrays import DataError

NO_BOX = "objects left out, whose `bbox` is not four numbers"
NO_AREA = "objects left out, whose box has no area inside the image (boxes without an area)"
NARROW = "narrower or lower than one pixel"
NARROW_TRAINING = f"objects left out, {NARROW}, as MMDetection does"
NARROW_EVALUATION = f"objects {NARROW}; they are evaluated all the same"
IGNORED_TRAINING = "objects left out, marked `ignore`, as MMDetection does"
IGNORED_EVALUATION = "objects marked `ignore` count neither for nor against a detector"
NO_CROWD = "objects without `iscrowd`: 0 is taken"
NO_POSITIVE_AREA = "objects without a positive `area`: that of the box is taken"
MASK_PARTS = "objects with parts of a mask left out (a polygon needs three points near the image)"
EMPTY_MASK = "objects whose mask covers no pixel; their masks cannot be found"
NO_MASK = "objects without a mask"
UNUSABLE_MASK = (
    "objects with a mask that cannot be used (it needs polygons of three points or more near the "
    "image, or a run-length code of the image's size)"
)


def usable_objects(
    content: Content,
    images: dict[Hashable, dict],
    categories: dict[Hashable, int],
    training: bool,
    notes: Notes,
) -> list[dict]:
    """The objects that can be trained on or evaluated; `segmentation` is there if usable.

    Args:
        images: by the ids of the file.
        categories: the ids to write by the ids of the file.
        training: leave out what MMDetection leaves out of a training.

    Raises:
        DataError: naming the entry: it belongs to no image or category, `iscrowd` or `ignore` is
            something else than 0 or 1; or all boxes are fractions of the image.
    """
    _require_pixels(content["annotations"], notes)
    kept, given = [], {}
    for place, entry in content["annotations"].items():
        where = f"{notes.path}: {place}"
        image = _referred(entry, "image_id", images, "images", where)
        category = _referred(entry, "category_id", categories, "categories", where)
        crowd, ignored = _flag(entry, "iscrowd", where), _flag(entry, "ignore", where)
        reason = _left_out(entry, image, training, ignored)
        if reason is not None:
            notes.add(reason, place)
            continue
        if ignored:
            notes.add(IGNORED_EVALUATION, place)
        if entry.get("iscrowd") is None:
            notes.add(NO_CROWD, place)
        given[place] = entry.get("id")
        kept.append(
            {
                "image_id": image["id"],
                "category_id": category,
                "iscrowd": int(crowd or ignored),
                **_shape(entry, image, place, notes),
            }
        )
    numbers = usable_ids("annotations", given, 1, notes)
    return [{"id": number, **entry} for number, entry in zip(numbers, kept, strict=True)]


def _referred(entry: dict, key: str, known: dict, of: str, where: str):
    value = checked_id(entry, key, where)
    if value not in known:
        raise DataError(
            f"{where} (id {shortened(entry.get('id'))}) has {key} {shortened(value)}, which is not "
            f"among its {of!r}; correct or remove it"
        )
    return known[value]


def _flag(entry: dict, key: str, where: str) -> bool:
    value = entry.get(key)
    if value is None:
        return False
    if not isinstance(value, int | float) or value not in (0, 1):
        raise DataError(f"{where} has {key} {shortened(value)}; it must be 0 or 1")
    return bool(value)


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(is_number(value) for value in box)


def _left_out(entry: dict, image: dict, training: bool, ignored: bool) -> str | None:
    """Why an object cannot be used, or None."""
    box = entry.get("bbox")
    if not _is_box(box):
        return NO_BOX
    x, y, w, h = box
    if min(x + w, image["width"]) <= max(x, 0) or min(y + h, image["height"]) <= max(y, 0):
        return NO_AREA
    if not training:
        return None
    if min(w, h) < 1:
        return NARROW_TRAINING
    return IGNORED_TRAINING if ignored else None


def _shape(entry: dict, image: dict, place: str, notes: Notes) -> dict:
    """Box, area and mask of an object that is used."""
    if min(entry["bbox"][2:]) < 1:
        notes.add(NARROW_EVALUATION, place)
    shape = {"bbox": entry["bbox"], "area": _area(entry, place, notes)}
    return shape | _mask(entry, image, place, notes)


def _area(entry: dict, place: str, notes: Notes) -> float:
    area = entry.get("area")
    if is_number(area) and area > 0:
        return area
    notes.add(NO_POSITIVE_AREA, place)
    return entry["bbox"][2] * entry["bbox"][3]


def _mask(entry: dict, image: dict, place: str, notes: Notes) -> dict:
    given = entry.get("segmentation")
    if not given:
        notes.add(NO_MASK, place)
        return {}
    usable = usable_mask(given, image["width"], image["height"])
    if usable is None:
        notes.add(UNUSABLE_MASK, place)
        return {}
    if isinstance(given[0] if isinstance(given, list) else None, list) and len(usable) < len(given):
        notes.add(MASK_PARTS, place)
    if not covers_pixels(usable, image["width"], image["height"]):
        notes.add(EMPTY_MASK, place)
    return {"segmentation": usable}


def _require_pixels(annotations: dict[str, dict], notes: Notes) -> None:
    boxes = [entry["bbox"] for entry in annotations.values() if _is_box(entry.get("bbox"))]
    fractions = [max(x + w, y + h) <= 1 for x, y, w, h in boxes]
    if boxes and all(fractions) and any(min(w, h) < 1 for _, _, w, h in boxes):
        raise DataError(
            f"{notes.path}: the boxes of all {len(boxes):,} objects lie between 0 and 1, so they "
            "are fractions of the image; COCO's are pixels: multiply them by its width and height"
        )
