"""KITTI's boxes, which lie in the coordinates of a camera, and which points its image shows.

The camera's axes are right, down and ahead; a box is the middle of its bottom, length, height,
width, and the turn around the axis that points down.
"""

import math

import numpy as np

FARTHEST = 100.0
"""Metres ahead of the camera; MMDetection3D keeps points no farther in its reduced clouds."""
NEAREST = 0.001


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


def points_in_box(points: np.ndarray, box: list[float]) -> np.ndarray:
    """Which of the points (n, 3 or more) lie in a box of the LiDAR, as `camera_to_lidar` gives it.

    Returns:
        (n,) booleans; points on the surface count.
    """
    x, y, z, length, width, height, heading = box
    east, north, above = points[:, 0] - x, points[:, 1] - y, points[:, 2] - z
    along = east * math.cos(heading) + north * math.sin(heading)
    across = north * math.cos(heading) - east * math.sin(heading)
    inside = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)
    return inside & (above >= 0) & (above <= height)


def points_in_image(
    points: np.ndarray, lidar_to_camera: np.ndarray, projection: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Which of the points (n, 3 or more) of the LiDAR a camera's image shows.

    MMDetection3D trains on no others: what lies elsewhere has no labels in KITTI.

    Args:
        lidar_to_camera: (4, 4), into the coordinates of the rectified cameras.
        projection: (4, 4), the camera's matrix `P2` with a last row of 0, 0, 0, 1.
        size: width and height in pixels.

    Returns:
        (n,) booleans.
    """
    whole = np.concatenate([points[:, :3], np.ones((len(points), 1))], 1)
    across, down, ahead = (whole @ (projection @ lidar_to_camera).T)[:, :3].T
    inside = (ahead > NEAREST) & (ahead < FARTHEST)
    for place, pixels in zip((across, down), size, strict=True):
        inside &= (place > 0) & (place < pixels * ahead)
    return inside
