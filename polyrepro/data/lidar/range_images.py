"""Range images: the sweeps of the drawn LiDAR as the sensor sees them, a pixel per ray.

A row is a beam, from the highest one down, a column an azimuth, from the left. The drawn files hold
points, but range noise moves a point along its ray only, so that its ray can be told from it.
Foreground are the points inside an object's box, as in the segmentation of RSN (Sun et al., CVPR
2021).
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyrepro.data.drawn.lidar_rays import (
    AZIMUTHS,
    BEAMS,
    FARTHEST,
    HEIGHT,
    HIGHEST,
    LOWEST,
    SECTOR,
    STEP,
)
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.boxes import with_centre
from polyrepro.data.lidar.lidar_format import LidarData

COLUMNS = len(AZIMUTHS)
CHANNELS = ("range", "height", "intensity")
BACKGROUND = 0
"""The label of a pixel outside all boxes; the objects of class c have label c + 1."""
TOLERANCE = 0.1
"""Metres by which boxes are wider and higher when points are looked for in them: ranges are noisy,
and most points lie on a side of the box. At the bottom it is as much less, without the ground."""
OFF_RAY = 0.25
"""Of the distance between two rays; a point that lies further from its ray is no point of the drawn
sensor."""


@dataclass(frozen=True)
class RangeImages:
    """The sweeps of a split.

    Attributes:
        images: float32, (sweeps, 3, beams, columns): the `CHANNELS`, divided by the farthest
            range, by metres and by 1; 0 where a ray has no return.
        labels: int8, (sweeps, beams, columns): `BACKGROUND`, 1 + class, or -1 without a return.
        names: of the files of points, for messages.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]


def range_images(data: LidarData, split: str) -> RangeImages:
    """The range images of a split, made once per process.

    Raises:
        DataError: if the points are not those of the drawn sensor.
    """
    checksum = data.citation["splits"][split]["sha256"]
    return _made(data.annotations[split], data.points[split], data.point_values, checksum)


@functools.lru_cache(maxsize=4)
def _made(annotations: Path, folder: Path, values: int, checksum: str) -> RangeImages:
    frames = json.loads(annotations.read_bytes())["data_list"]
    images = np.zeros((len(frames), len(CHANNELS), BEAMS, COLUMNS), np.float32)
    labels = np.full((len(frames), BEAMS, COLUMNS), -1, np.int8)
    names = tuple(frame["lidar_points"]["lidar_path"] for frame in frames)
    for image, label, name, frame in zip(images, labels, names, frames, strict=True):
        points = np.fromfile(folder / name, np.float32).reshape(-1, values)
        rows, columns, ranges = pixels_of(points[:, :3], folder / name)
        image[:, rows, columns] = ranges / FARTHEST, points[:, 2], points[:, 3]
        label[rows, columns] = _labels(points[:, :3], frame["instances"])
    return RangeImages(images, labels, names)


def pixels_of(points: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and range in metres of points (n, 3) of the drawn sensor.

    Args:
        path: of the points, for messages.

    Raises:
        DataError: if a point does not lie on one of the sensor's rays.
    """
    x, y, z = points.T.astype(float)
    z = z - HEIGHT
    flat = np.hypot(x, y)
    row = (HIGHEST - np.degrees(np.arctan2(z, flat))) * (BEAMS - 1) / (HIGHEST - LOWEST)
    column = (SECTOR / 2 - np.degrees(np.arctan2(y, x))) / STEP - 0.5
    rows, columns = np.rint(row).astype(int), np.rint(column).astype(int)
    off = (np.abs(row - rows) > OFF_RAY) | (np.abs(column - columns) > OFF_RAY)
    off |= (rows < 0) | (rows >= BEAMS) | (columns < 0) | (columns >= COLUMNS)
    if off.any():
        raise DataError(
            f"{path}: {off.sum():,} of {len(points):,} points lie on no ray of the sensor of the "
            f"drawn scenes ({BEAMS} beams, steps of {STEP:g} degrees), which range images are made "
            "for; take the data set lidar_scenes as `polyrepro data verify` draws it"
        )
    return rows, columns, np.hypot(flat, z)


def _labels(points: np.ndarray, instances: list[dict]) -> np.ndarray:
    """The label of each point (n, 3)."""
    labels = np.full(len(points), BACKGROUND, np.int8)
    boxes = with_centre(np.array([entry["bbox_3d"] for entry in instances]))
    for (x, y, z, length, width, height, yaw), entry in zip(boxes, instances, strict=True):
        east, north = points[:, 0] - x, points[:, 1] - y
        along = east * np.cos(yaw) + north * np.sin(yaw)
        across = north * np.cos(yaw) - east * np.sin(yaw)
        above = points[:, 2] - (z - height / 2)
        inside = (np.abs(along) <= length / 2 + TOLERANCE) & (above >= TOLERANCE)
        inside &= (np.abs(across) <= width / 2 + TOLERANCE) & (above <= height + TOLERANCE)
        labels[inside] = entry["bbox_label_3d"] + 1
    return labels
