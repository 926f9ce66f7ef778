"""Finding the splits of a detection data set in COCO's format below its root folder."""

from pathlib import Path

from polyrepro.data.coco_format import CocoSource, read_coco, verify_coco
from polyrepro.data.image_arrays import DataError
from polyrepro.files import write_json

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
        folder: where index and manifest lie.

    Returns:
        The manifest of :func:`polyrepro.data.coco_format.verify_coco`.

    Raises:
        DataError: if a split is not found, or as `verify_coco` raises it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train, validation, test = (_source(root, split) for split in NAMES)
    for split, source in (("train", train), ("validation", validation)):
        if source is None:
            raise DataError(
                f"{root} has no annotation file for the split {split!r}; looked for: "
                f"{', '.join(str(path) for path in _annotation_files(root, split))}"
            )
    if test is None:
        test = validation
        train, validation = _held_out(train, folder)
    return verify_coco(name, {"train": train, "validation": validation, "test": test}, folder)


def _annotation_files(root: Path, split: str) -> list[Path]:
    stems = [f"{prefix}{name}" for name in NAMES[split] for prefix in ("", "instances_")]
    return [root / "annotations" / f"{stem}.json" for stem in stems]


def _source(root: Path, split: str) -> CocoSource | None:
    for path in _annotation_files(root, split):
        if path.is_file():
            return CocoSource(path, _image_folder(root, path))
    return None


def _image_folder(root: Path, annotations: Path) -> Path:
    """The folder that has the first image; if none has, the one that COCO's layout asks for."""
    name = annotations.stem.removeprefix("instances_")
    candidates = [root / name, root / "images" / name, root / "images", root]
    images = read_coco(annotations)["images"]
    found = [c for c in candidates if images and (c / images[0]["file_name"]).is_file()]
    return (found or candidates)[0]


def _held_out(train: CocoSource, folder: Path) -> tuple[CocoSource, CocoSource]:
    """The training split without every n-th image, and these images as validation split."""
    content = read_coco(train.annotations)
    images = content["images"]
    step = max(HELD_OUT_PART, -(-len(images) // MOST_HELD_OUT))
    held_out = {entry["id"] for entry in images[::step]}
    sources = []
    for split, chosen in (("train", False), ("validation", True)):
        part = dict(content)
        part["images"] = [i for i in images if (i["id"] in held_out) == chosen]
        part["annotations"] = [
            a for a in content["annotations"] if (a["image_id"] in held_out) == chosen
        ]
        path = folder / "held_out" / f"{split}.json"
        write_json(path, part)
        sources.append(CocoSource(path, train.images))
    return sources[0], sources[1]
