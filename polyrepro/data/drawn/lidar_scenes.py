"""LiDAR scenes: 3D detection data drawn at build time, in MMDetection3D's layout of Waymo's data.

Training, validation and test scenes are drawn from random numbers of their own, so they share no
object. They are drawings of a street, not recordings.
"""

import json
from pathlib import Path

import numpy as np

from polyrepro.data.drawn.lidar_drawing import CLASSES, LidarScene, draw_scene
from polyrepro.data.lidar.frames import LidarSource
from polyrepro.data.lidar.lidar_format import verify_lidar
from polyrepro.files import fsync_folder, whole_folder, write_durably

NAME = "lidar_scenes"
SEED = 20220427
SCENES = {"train": 200, "validation": 40, "test": 100}
POINT_VALUES = 4
"""x, y, z and intensity; Waymo's have elongation and time as well."""


def prepare_lidar_scenes(folder: Path, scenes: dict[str, int] = SCENES, seed: int = SEED) -> dict:
    """Draw the scenes into `folder/waymo` and verify them; equal calls give equal files.

    The scenes appear complete or not at all; older ones are replaced.

    Args:
        scenes: number of scenes per split.
        seed: other numbers give other scenes, on which a recipe can be tuned.

    Returns:
        The manifest of :func:`polyrepro.data.lidar.lidar_format.verify_lidar`.

    Raises:
        OSError: if the folder cannot be written.
    """
    final = folder / "waymo"
    with whole_folder(final) as complete:
        for position, (split, count) in enumerate(scenes.items()):
            drawn = (
                draw_scene(np.random.default_rng([seed, position, number]))
                for number in range(count)
            )
            write_split(complete, split, drawn)
    sources = {
        split: LidarSource(final / f"waymo_infos_{split}.json", final / split / "velodyne")
        for split in scenes
    }
    return verify_lidar(NAME, sources, CLASSES, folder)


def write_split(folder: Path, split: str, scenes) -> None:
    """The scenes of one split: a file of points for each, and one annotation file."""
    place = folder / split / "velodyne"
    place.mkdir(parents=True)
    frames = []
    for number, scene in enumerate(scenes):
        name = f"{number:07d}.bin"
        (place / name).write_bytes(scene.points.tobytes())
        frames.append(_frame(scene, number, name))
    info = {"dataset": "waymo", "categories": {c: n for n, c in enumerate(CLASSES)}}
    content = {"metainfo": info, "data_list": frames}
    write_durably(folder / f"waymo_infos_{split}.json", json.dumps(content).encode())
    fsync_folder(place)


def _frame(scene: LidarScene, number: int, name: str) -> dict:
    boxes = scene.boxes.copy()
    boxes[:, 2] -= boxes[:, 5] / 2  # MMDetection3D's boxes stand on their z
    return {
        "sample_idx": number,
        "lidar_points": {"lidar_path": name, "num_pts_feats": POINT_VALUES},
        "instances": [
            {"bbox_3d": box, "bbox_label_3d": label, "num_lidar_pts": points}
            for box, label, points in zip(
                boxes.round(4).tolist(),
                scene.labels.tolist(),
                scene.points_in_box.tolist(),
                strict=True,
            )
        ],
    }
