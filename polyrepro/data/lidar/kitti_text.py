"""KITTI's text files: calibration, labels, ground planes.

A label is a line of class, truncation, occlusion, alpha, four numbers of the box in the image,
height, width and length in metres, x, y and z of the middle of the bottom in the coordinates of the
rectified cameras, and the turn. A calibration is a line per matrix, its name and a colon first.
"""

import math
from pathlib import Path

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError

DONT_CARE = "DontCare"
"""What has no box: regions that nobody has to find."""
LABEL_VALUES = 15


def calibration(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """From the LiDAR to the rectified cameras, and the matrix of the left colour camera, (4, 4).

    Raises:
        DataError: if the file cannot be read, or a matrix is missing or not one of numbers.
    """
    lines = {}
    for line in _lines(path):
        name, _, numbers = line.partition(":")
        lines[name.strip()] = numbers.split()
    shapes = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_velo_to_cam": (3, 4)}
    matrices = {}
    for name, shape in shapes.items():
        values = _numbers(lines.get(name, []))
        if len(values) != shape[0] * shape[1]:
            raise DataError(
                f"{path} needs a line {name}: with {shape[0] * shape[1]} finite numbers, "
                f"found {lines.get(name)}; fetch it again"
            )
        matrices[name] = np.eye(4)
        matrices[name][: shape[0], : shape[1]] = np.reshape(values, shape)
    return matrices["R0_rect"] @ matrices["Tr_velo_to_cam"], matrices["P2"]


def labels(path: Path, classes: tuple[str, ...]) -> list[dict]:
    """The objects of a frame, in the layout of `kitti_frames`, without `num_lidar_pts`.

    Raises:
        DataError: if the file cannot be read, or a line is no label of these classes.
    """
    found = []
    for number, line in enumerate(_lines(path), start=1):
        name, *texts = line.split()
        if name == DONT_CARE:
            continue
        values = _numbers(texts)
        if name not in classes or len(values) != LABEL_VALUES - 1:
            raise DataError(
                f"{path}, line {number}: must be one of {', '.join(classes)} or {DONT_CARE} and "
                f"{LABEL_VALUES - 1} finite numbers, got {line.strip()!r}; fetch it again"
            )
        truncated, occluded, alpha, *rest = values
        height, width, length = rest[4:7]
        label = classes.index(name)
        found.append(
            {
                "bbox": rest[:4],
                "bbox_label": label,
                "bbox_3d": [*rest[7:10], length, height, width, rest[10]],
                "bbox_label_3d": label,
                "truncated": truncated,
                "occluded": int(occluded),
                "alpha": alpha,
            }
        )
    return found


def plane(path: Path) -> list[float]:
    """The ground as four numbers, in the coordinates of the cameras: its normal, and the offset.

    The fourth line has them. The normal is turned upwards and has length one, which MMDetection3D
    takes for granted.

    Raises:
        DataError: if the file cannot be read, or has no such line.
    """
    lines = _lines(path)
    values = _numbers(lines[3].split()) if len(lines) > 3 else []
    length = math.hypot(*values[:3])
    if len(values) != 4 or not length:
        raise DataError(
            f"{path} needs four finite numbers in its fourth line, the plane of the ground; fetch "
            "it again, or remove the folder"
        )
    sign = -1 if values[1] > 0 else 1
    return [sign * value / length for value in values]


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}; fetch it again") from None


def _numbers(texts: list[str]) -> list[float]:
    """Of a line; none if one of them is no finite number."""
    try:
        values = [float(text) for text in texts]
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) else []
