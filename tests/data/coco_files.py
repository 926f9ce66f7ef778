"""A data set in COCO's format, small and complete, to be damaged by tests."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from polyrepro.data.coco.reading import CocoSource

SIDE = 32
SPLITS = {"train": "train", "validation": "val", "test": "test"}
"""Names of files and folders by split."""
CATEGORIES = [{"id": 3, "name": "cell"}, {"id": 90, "name": "platelet"}]  # ids with a gap


def content(images: int = 4) -> dict:
    """Two objects in every image but the last one, which has none."""
    entries = [
        {"id": 10 * n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE}
        for n in range(images)
    ]
    annotations = [
        {
            "id": 2 * n + k + 1,
            "image_id": 10 * n,
            "category_id": CATEGORIES[k]["id"],
            "bbox": [2.0 + 8 * k, 4.0, 6.0, 8.0],
            "area": 48,
            "iscrowd": 0,
        }
        for n in range(images - 1)
        for k in range(2)
    ]
    return {
        "images": entries,
        "annotations": annotations,
        "categories": [{**entry} for entry in CATEGORIES],
    }


def write_split(root: Path, split: str, data: dict | None = None) -> CocoSource:
    """Annotations and images of one split below `root`."""
    data = content() if data is None else data
    source = CocoSource(root / "annotations" / f"{split}.json", root / split)
    for folder in (source.annotations.parent, source.images):
        folder.mkdir(parents=True, exist_ok=True)
    source.annotations.write_text(json.dumps(data))
    random = np.random.default_rng(len(split))
    for entry in data["images"]:
        pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(source.images / entry["file_name"])
    return source


def every(key, **values):
    """An edit of all entries of a list."""

    def edit(data):
        for entry in data[key]:
            entry.update(values)

    return edit


def first(key, **values):
    """An edit of the first entry of a list."""
    return lambda data: data[key][0].update(values)
