"""Finding the splits of a detection data set in COCO's format below its root folder."""

from pathlib import Path

from polyrepro.data.coco.coco_format import verify_coco
from polyrepro.data.coco.coco_images import existing_name
from polyrepro.data.coco.entries import checked_images
from polyrepro.data.coco.notes import Notes
from polyrepro.data.coco.reading import CocoSource, Content, read_coco
from polyrepro.data.in_memory.image_arrays import DataError

NAMES = {
    "train": ("train", "train2017"),
    "validation": ("validation", "val", "val2017"),
    "test": ("test",),
}
"""What a split may be called in the names of files and folders."""
HELD_OUT_PART, MOST_HELD_OUT = 10, 2500
"""Where there is no test split, at most a tenth of the training images, and no more than this."""


def verify_coco_folder(name: str, root: Path, folder: Path) -> dict:
    """Find, check and index a data set; for its layout see docs/detection.md.

    Without annotations of a test split (COCO's own are not public) `val` is the test split, and
    training images are held out for validation, evenly spaced in the order of the file, so that
    test images choose nothing.

    Args:
        root: folder with `annotations/` and the images.
        folder: where index and annotation files are written.

    Returns:
        The manifest of :func:`polyrepro.data.coco.coco_format.verify_coco`.

    Raises:
        DataError: if a split is not found, or as `verify_coco` raises it.
    """
    train, validation, test = (_source(root, split) for split in NAMES)
    for split, source in (("train", train), ("validation", validation)):
        if source is None:
            raise DataError(
                f"{root} has no annotation file for the split {split!r}; looked for: "
                f"{', '.join(str(path) for path in _annotation_files(root, split))}"
            )
    if test is None:
        test = validation
        train, validation = _held_out(train)
    return verify_coco(name, {"train": train, "validation": validation, "test": test}, folder)


def _annotation_files(root: Path, split: str) -> list[Path]:
    stems = [f"{prefix}{name}" for name in NAMES[split] for prefix in ("", "instances_")]
    return [root / "annotations" / f"{stem}.json" for stem in stems]


def _source(root: Path, split: str) -> CocoSource | None:
    for path in _annotation_files(root, split):
        if path.is_file():
            content = read_coco(path)
            return CocoSource(path, _image_folder(root, path, content), content)
    return None


def _image_folder(root: Path, annotations: Path, content: Content) -> Path:
    """The folder that has the first image; if none has, the one of COCO's layout."""
    name = annotations.stem.removeprefix("instances_")
    candidates = [root / name, root / "images" / name, root / "images", root]
    first = next(iter(content["images"].values()), {}).get("file_name")
    found = [c for c in candidates if isinstance(first, str) and existing_name(c, first)]
    return (found or candidates)[0]


def _held_out(train: CocoSource) -> tuple[CocoSource, CocoSource]:
    """The training split without every n-th image, and these images as validation split."""
    content = train.content
    # The ids are checked before they are compared: a damaged entry is to be named, not lost.
    known = checked_images(content, Notes(train.annotations))
    step = max(HELD_OUT_PART, -(-len(known) // MOST_HELD_OUT))
    held_out = set(list(known)[::step])
    parts = []
    for chosen in (False, True):
        part = dict(content)
        for key, image in (("images", "id"), ("annotations", "image_id")):
            part[key] = {
                place: entry
                for place, entry in content[key].items()
                if (_id(entry, image) in held_out) == chosen
            }
        parts.append(CocoSource(train.annotations, train.images, part))
    return parts[0], parts[1]


def _id(entry: dict, key: str) -> object:
    """An id; None for what can be none, which `verify_coco` names."""
    value = entry.get(key)
    return value if isinstance(value, int | float | str) else None
