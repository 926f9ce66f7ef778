"""A small LiDAR data set in MMDetection3D's layout of Waymo's data, to be damaged by tests."""

import json
from pathlib import Path

import numpy as np

SPLITS = {"train": 3, "val": 2, "test": 2}
VALUES = 5
BOX = [10.0, -2.0, -0.5, 4.5, 1.9, 1.6, 0.3]


def write_lidar(root: Path) -> Path:
    """Annotations and points of all splits; the first frame of each has no object."""
    random = np.random.default_rng(0)
    for split, count in SPLITS.items():
        place = root / split / "velodyne"
        place.mkdir(parents=True)
        frames = []
        for number in range(count):
            points = random.uniform(-20, 20, (50, VALUES)).astype(np.float32)
            (place / f"{number}.bin").write_bytes(points.tobytes())
            frames.append(
                {
                    "sample_idx": 100 + number,
                    "lidar_points": {"lidar_path": f"{number}.bin", "num_pts_feats": VALUES},
                    "instances": [instance(label) for label in range(number)],
                }
            )
        write_annotations(root, split, frames)
    return root


def instance(label: int = 0, **changes) -> dict:
    return {"bbox_3d": list(BOX), "bbox_label_3d": label, "num_lidar_pts": 9, "bbox": []} | changes


def write_annotations(root: Path, split: str, frames: list[dict]) -> None:
    content = {"metainfo": {"dataset": "waymo"}, "data_list": frames}
    (root / f"waymo_infos_{split}.json").write_text(json.dumps(content))


def frames_of(root: Path, split: str) -> list[dict]:
    return json.loads((root / f"waymo_infos_{split}.json").read_text())["data_list"]
