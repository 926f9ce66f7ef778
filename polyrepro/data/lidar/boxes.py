"""Upright boxes in three dimensions: corners as seen from above, and intersection over union.

A box is seven numbers: centre x, y, z, length, width, height in metres, and the heading in radians,
counter-clockwise from x, to which the length points. Waymo's labels are such boxes; those of
MMDetection3D have the bottom's z in the place of the centre's.
"""

import numpy as np
import shapely

SMALLEST = 0.01
"""Metres; a box with a side that is not longer overlaps with nothing, as in Waymo's metrics."""


def corners_from_above(boxes: np.ndarray) -> np.ndarray:
    """Corners of boxes (n, 7) in the plane, (n, 4, 2): front left first, then clockwise."""
    half = boxes[:, None, 3:5] / 2 * np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])
    cos, sin = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
    turn = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], -2)
    return boxes[:, None, :2] + half @ turn


def with_centre(boxes: np.ndarray) -> np.ndarray:
    """MMDetection3D's boxes (n, 7), whose z is the bottom's, with the centre's z."""
    lifted = np.array(boxes, float).reshape(-1, 7)
    lifted[:, 2] += lifted[:, 5] / 2
    return lifted


def iou_3d(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of the volumes of boxes (n, 7) and (m, 7): (n, m) in [0, 1]."""
    first, second = (np.asarray(boxes, float).reshape(-1, 7) for boxes in (first, second))
    overlap = np.zeros((len(first), len(second)))
    height = _common_height(first, second)
    near = (height > 0) & _circles_meet(first, second)
    near &= (first[:, None, 3:6] > SMALLEST).all(-1) & (second[None, :, 3:6] > SMALLEST).all(-1)
    rows, columns = np.nonzero(near)
    if not len(rows):
        return overlap
    above = [shapely.polygons(corners_from_above(boxes)) for boxes in (first, second)]
    area = shapely.area(shapely.intersection(above[0][rows], above[1][columns]))
    volume = area * height[rows, columns]
    total = first[rows, 3:6].prod(1) + second[columns, 3:6].prod(1) - volume
    overlap[rows, columns] = np.clip(volume / total, 0, 1)
    return overlap


def _common_height(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low, high = (
        (
            first[:, None, 2] + side * first[:, None, 5],
            second[None, :, 2] + side * second[None, :, 5],
        )
        for side in (-0.5, 0.5)
    )
    return np.minimum(*high) - np.maximum(*low)


def _circles_meet(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether the circles around two boxes meet; if not, the boxes cannot."""
    reach = np.hypot(first[:, None, 3], first[:, None, 4])
    reach = (reach + np.hypot(second[None, :, 3], second[None, :, 4])) / 2
    apart = first[:, None, :2] - second[None, :, :2]
    return np.hypot(apart[..., 0], apart[..., 1]) <= reach
