"""KITTI's boxes, which MMDetection3D keeps in the coordinates of a camera, as boxes of the LiDAR.

The camera's axes are right, down and ahead; a box is the middle of its bottom, length, height,
width, and the turn around the axis that points down.
"""

import math

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.frames import NAMED, LidarSource

CAMERA = "CAM2"
"""The left colour camera, whose coordinates the boxes are in."""


def in_lidar_coordinates(source: LidarSource) -> LidarSource:
    """The same split with its boxes in the coordinates of the LiDAR.

    Raises:
        DataError: naming the frames that lack a usable `images.CAM2.lidar2cam`.
    """
    frames = source.read()
    wrong = [n for n, frame in enumerate(frames) if _lidar_to_camera(frame) is None]
    if wrong:
        listed = ", ".join(str(number) for number in wrong[:NAMED])
        raise DataError(
            f"{source.annotations}: {len(wrong)} frames have no `images.{CAMERA}.lidar2cam`, four "
            f"times four finite numbers with an inverse, the first: {listed}; make the file again"
        )
    turned = [
        frame | {"instances": [_turned(e, _lidar_to_camera(frame)) for e in frame["instances"]]}
        if isinstance(frame.get("instances"), list)
        else frame
        for frame in frames
    ]
    return LidarSource(source.annotations, source.points, turned)


def camera_to_lidar(box: list[float], lidar_to_camera: np.ndarray) -> list[float]:
    """A camera's box (x, y, z, length, height, width, turn) as one of the LiDAR.

    Args:
        lidar_to_camera: (4, 4).

    Returns:
        x, y, z of the middle of the bottom, length, width, height, heading in [-pi, pi).
    """
    centre = np.linalg.inv(lidar_to_camera) @ np.array([*box[:3], 1.0])
    heading = (-box[6] - math.pi / 2 + math.pi) % (2 * math.pi) - math.pi
    return [*centre[:3].tolist(), box[3], box[5], box[4], heading]


def _turned(entry: object, lidar_to_camera: np.ndarray) -> object:
    """An object with its box turned; one that cannot be is left for the checks to name."""
    box = entry.get("bbox_3d") if isinstance(entry, dict) else None
    usable = isinstance(box, list) and len(box) == 7
    if not usable or not all(isinstance(v, int | float) and math.isfinite(v) for v in box):
        return entry
    return entry | {"bbox_3d": camera_to_lidar(box, lidar_to_camera)}


def _lidar_to_camera(frame: dict) -> np.ndarray | None:
    try:
        matrix = np.array(frame["images"][CAMERA]["lidar2cam"], float)
    except (KeyError, TypeError, ValueError):
        return None
    usable = matrix.shape == (4, 4) and np.isfinite(matrix).all()
    return matrix if usable and np.linalg.matrix_rank(matrix) == 4 else None
