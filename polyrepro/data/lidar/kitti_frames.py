"""What KITTI's frames have besides those of Waymo: calibration, and what its metric looks at.

The layout is the one that MMDetection3D makes of KITTI's data, as JSON. A frame has `images.CAM2`
with `lidar2cam` and `cam2img` (both four times four), `width` and `height` in pixels, and may have
a ground `plane` in the coordinates of the camera. An object has its box in the image, `bbox` (left,
top, right, bottom in pixels), `occluded` (0 to 3), `truncated` (0 to 1) and the angle `alpha`.
"""

import math

import numpy as np

CAMERA = "CAM2"
"""The left colour camera, whose image the boxes are drawn in."""
LEAST_HEIGHT = (40, 25, 25)
MOST_OCCLUDED = (0, 1, 2)
MOST_TRUNCATED = (0.15, 0.3, 0.5)
"""What an object needs to be easy, moderate or hard: pixels of height, occlusion, truncation."""
MADE_BY = "make the file with `polyrepro data convert kitti`"


def frame_fault(frame: dict) -> str | None:
    """What is wrong with a frame's calibration; None if nothing is."""
    images = frame.get("images")
    camera = images.get(CAMERA) if isinstance(images, dict) else None
    if not isinstance(camera, dict):
        return f"needs `images.{CAMERA}` with the calibration; {MADE_BY}"
    for name in ("lidar2cam", "cam2img"):
        if not _invertible(camera.get(name)):
            return (
                f"`images.{CAMERA}.{name}` must be four times four finite numbers with an "
                f"inverse; {MADE_BY}"
            )
    for name in ("width", "height"):
        if type(camera.get(name)) is not int or camera[name] < 1:
            return f"`images.{CAMERA}.{name}` must be pixels, got {camera.get(name)!r}"
    if "plane" in frame and not _numbers(frame["plane"], 4):
        return f"`plane` must be four finite numbers, got {frame['plane']!r}"
    return None


def object_fault(entry: dict) -> str | None:
    """What is wrong with what KITTI's metric needs of an object; None if nothing is."""
    box = entry.get("bbox")
    if not _numbers(box, 4) or not (box[0] < box[2] and box[1] < box[3]):
        return (
            "`bbox` must be left, top, right and bottom in pixels, each smaller than its opposite, "
            f"got {box!r}"
        )
    if type(entry.get("occluded")) is not int or not 0 <= entry["occluded"] <= 3:
        return f"`occluded` must be 0, 1, 2 or 3, got {entry.get('occluded')!r}"
    if not _numbers([entry.get("truncated")], 1) or not 0 <= entry["truncated"] <= 1:
        return f"`truncated` must be a number from 0 to 1, got {entry.get('truncated')!r}"
    if not _numbers([entry.get("alpha")], 1):
        return f"`alpha` must be an angle in radians, got {entry.get('alpha')!r}"
    return None


def kept_of_frame(frame: dict) -> dict:
    """What is used of a frame that has no fault."""
    camera = frame["images"][CAMERA]
    used = {name: camera[name] for name in ("lidar2cam", "cam2img", "width", "height")}
    plane = {"plane": frame["plane"]} if "plane" in frame else {}
    return {"images": {CAMERA: used}, **plane}


def kept_of_object(entry: dict) -> dict:
    """What is used of an object that has no fault; MMDetection3D needs all of these keys."""
    return {
        **{name: entry[name] for name in ("bbox", "occluded", "truncated", "alpha")},
        "bbox_label": entry["bbox_label_3d"],
        "score": 0.0,
        "difficulty": difficulty_of(entry),
    }


def difficulty_of(entry: dict) -> int:
    """0 easy, 1 moderate, 2 hard, -1 none of them, by KITTI's rules."""
    height = entry["bbox"][3] - entry["bbox"][1]
    limits = zip(LEAST_HEIGHT, MOST_OCCLUDED, MOST_TRUNCATED, strict=True)
    for number, (pixels, occluded, truncated) in enumerate(limits):
        if height > pixels and entry["occluded"] <= occluded and entry["truncated"] <= truncated:
            return number
    return -1


def _numbers(value: object, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(type(v) in (int, float) and math.isfinite(v) for v in value)
    )


def _invertible(value: object) -> bool:
    try:
        matrix = np.array(value, float)
    except (TypeError, ValueError):
        return False
    finite = matrix.shape == (4, 4) and np.isfinite(matrix).all()
    return bool(finite and np.linalg.matrix_rank(matrix) == 4)
