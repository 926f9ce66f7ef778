"""Composites: detection data made at build time from the embedded garments.

Scenes of several real garments (Fashion-MNIST cut-outs with exact masks) at varied scale, occluding
each other on textured backgrounds, written as ordinary COCO JSON and PNG. Classes are as unequally
frequent as in a long tail. Training, validation and test scenes are made of the garments of the
training, validation and test split, so they share none. They are composites, not photographs.
"""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from polyrepro.data.coco.coco_format import verify_coco
from polyrepro.data.coco.reading import CocoSource
from polyrepro.data.drawn.composite_drawing import SIDE, Scene, draw_scene
from polyrepro.data.in_memory.fashion_mnist import load_fashion_mnist
from polyrepro.data.in_memory.image_arrays import ImageArrays
from polyrepro.data.in_memory.long_tail import long_tailed_counts
from polyrepro.files import fsync_folder, whole_folder, write_durably

NAME = "composites"
SEED = 20220426
SCENES = {"train": 250, "validation": 40, "test": 150}
CLASS_RATIO = 5
"""Frequency of the most frequent class over that of the rarest."""


def prepare_composites(folder: Path, scenes: dict[str, int] = SCENES) -> dict:
    """Draw the composites into `folder/coco` and verify them; equal calls give equal files.

    The scenes appear complete or not at all; older ones are replaced.

    Args:
        scenes: number of scenes per split.

    Returns:
        The manifest of :func:`polyrepro.data.coco.coco_format.verify_coco`.

    Raises:
        OSError: if the folder cannot be written.
    """
    final, garments = folder / "coco", load_fashion_mnist()
    with whole_folder(final) as complete:
        for position, (split, count) in enumerate(scenes.items()):
            _write_split(complete, garments, split, position, count)
    sources = {s: CocoSource(final / f"annotations/{s}.json", final / s) for s in scenes}
    return verify_coco(NAME, sources, folder)


def _write_split(folder: Path, garments: ImageArrays, split: str, position: int, count: int):
    """The scenes of one split as PNG files and one COCO file."""
    counts = np.asarray(long_tailed_counts(1000, len(garments.classes), CLASS_RATIO))
    images, annotations = [], []
    for folder_made in (folder / split, folder / "annotations"):
        folder_made.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        # A scene's random numbers are its own, so more scenes leave the first ones as they were.
        random = np.random.default_rng([SEED, position, number])
        scene = draw_scene(garments.split(split), counts / counts.sum(), random)
        buffer = io.BytesIO()
        Image.fromarray(scene.pixels).save(buffer, format="png")
        file_name = f"{number:05d}.png"
        (folder / split / file_name).write_bytes(buffer.getvalue())
        images.append({"id": number + 1, "file_name": file_name, "width": SIDE, "height": SIDE})
        annotations += _annotations(scene, number + 1, len(annotations) + 1)
    content = {
        "info": {"description": f"composites of Fashion-MNIST garments, {split}, seed {SEED}"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": c} for i, c in enumerate(garments.classes, start=1)],
    }
    write_durably(folder / f"annotations/{split}.json", json.dumps(content).encode())
    fsync_folder(folder / split)


def _annotations(scene: Scene, image_id: int, first_id: int) -> list[dict]:
    """COCO annotations of a scene; boxes and areas are those of the visible masks."""
    found = []
    for number, (mask, label) in enumerate(zip(scene.masks, scene.labels, strict=True)):
        encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        found.append(
            {
                "id": first_id + number,
                "image_id": image_id,
                "category_id": label + 1,
                "bbox": coco_mask.toBbox(encoded).tolist(),
                "area": int(coco_mask.area(encoded)),
                "segmentation": {"size": encoded["size"], "counts": encoded["counts"].decode()},
                "iscrowd": 0,
            }
        )
    return found
