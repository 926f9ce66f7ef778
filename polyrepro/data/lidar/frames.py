"""Checks of one annotation file of LiDAR frames, and of the points that it names.

The files are those that MMDetection3D makes of Waymo's data, as JSON: `metainfo`, and in
`data_list` a frame per entry with `lidar_points` (`lidar_path`, `num_pts_feats`) and `instances`
(`bbox_3d`, `bbox_label_3d`, `num_lidar_pts`, and `difficulty_level` if annotators stated Waymo's
level). KITTI's have more, see `kitti_frames`. Points are float32 in files without header.
"""

import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar import kitti_frames

FULLY_CHECKED = 2000
"""The points of at most about so many frames per split are read, evenly spaced."""
BYTES = 4
"""Of a number in a file of points."""
USED_KEYS = ("bbox_3d", "bbox_label_3d", "num_lidar_pts", "difficulty_level")
"""Of an object; MMDetection3D needs the same keys in all of them."""
DEFAULTS = {"difficulty_level": 0}
"""0: nobody has said whether it is of Waymo's level 1 or 2."""
NAMED = 10
"""So many missing or faulty things are named in a message."""


@dataclass(frozen=True)
class LidarSource:
    """A split as it is found.

    Attributes:
        annotations: file.
        points: folder.
        frames: those of the file's that belong to the split; None for all.
    """

    annotations: Path
    points: Path
    frames: list[dict] | None = None

    def read(self) -> list[dict]:
        """The frames of the split.

        Raises:
            DataError: as :func:`read_frames`.
        """
        return read_frames(self.annotations) if self.frames is None else self.frames


def read_frames(path: Path) -> list[dict]:
    """The frames of an annotation file.

    Raises:
        DataError: if it cannot be read, or is no such file.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the annotation file {path}: {error}; make it again") from None
    frames = content.get("data_list") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise DataError(
            f"{path} is no annotation file of MMDetection3D: it has no list `data_list` of frames"
        )
    if not frames:
        raise DataError(f"{path} has no frames; give it some, or remove the split")
    return frames


NO_OBJECTS = "needs a list `instances` of its objects, which is empty where there are none"


def checked_frames(
    frames: list[dict], classes: tuple[str, ...], path: Path, kitti: bool = False
) -> list[dict]:
    """The frames with what is used of them, checked.

    Args:
        classes: labels are positions in here; objects with the label -1 are left out, whatever
            else they have: KITTI gives no box to what nobody has to find.
        path: of the annotation file, for messages.
        kitti: frames and objects have what `kitti_frames` says, too.

    Raises:
        DataError: naming the first entries that are wrong: no points named, the same points twice,
            no list of objects, boxes that are not seven finite numbers with positive sizes, unknown
            classes.
    """
    used, faults, seen = [], [], {}
    for number, frame in enumerate(frames):
        points, instances = frame.get("lidar_points"), frame.get("instances")
        name = points.get("lidar_path") if isinstance(points, dict) else None
        values = points.get("num_pts_feats") if isinstance(points, dict) else None
        if not isinstance(name, str) or not isinstance(values, int) or values < 3:
            faults.append(
                f"frame {number}: needs `lidar_points` with `lidar_path` and with `num_pts_feats`, "
                "3 or more"
            )
            continue
        if name in seen:
            faults.append(f"frame {number}: has the points {name} of frame {seen[name]}")
        seen.setdefault(name, number)
        fault = kitti_frames.frame_fault(frame) if kitti else None
        if not isinstance(instances, list) or fault:
            faults.append(f"frame {number}: {fault or NO_OBJECTS}")
            continue
        wrong = [_fault(entry, classes, kitti) for entry in instances]
        faults += [f"frame {number}, object {n}: {text}" for n, text in enumerate(wrong) if text]
        used.append(
            {
                "sample_idx": number,
                "lidar_points": {"lidar_path": name, "num_pts_feats": values},
                **(kitti_frames.kept_of_frame(frame) if kitti else {}),
                "instances": [
                    _kept(e, kitti)
                    for e, text in zip(instances, wrong, strict=True)
                    if not text and e["bbox_label_3d"] >= 0
                ],
            }
        )
    if faults:
        raise DataError(
            f"{path} has {len(faults)} entries that cannot be used; correct them or leave them "
            "out:" + "".join(f"\n  {text}" for text in faults[:NAMED])
        )
    return used


def _kept(entry: dict, kitti: bool) -> dict:
    used = {key: entry.get(key, DEFAULTS.get(key)) for key in USED_KEYS}
    return used | (kitti_frames.kept_of_object(entry) if kitti else {})


def _fault(entry: object, classes: tuple[str, ...], kitti: bool) -> str | None:
    """What is wrong with an object; None if nothing is."""
    if not isinstance(entry, dict):
        return "is no entry with keys"
    box, label = entry.get("bbox_3d"), entry.get("bbox_label_3d")
    if type(label) is int and label == -1:
        return None
    numbers = isinstance(box, list) and all(isinstance(v, int | float) for v in box)
    if not numbers or len(box) != 7:
        return f"`bbox_3d` must be seven numbers, got {box!r}"
    if not all(math.isfinite(value) for value in box):
        return f"`bbox_3d` is not finite: {box}"
    if min(box[3:6]) <= 0:
        return f"`bbox_3d` has a length, width or height that is not positive: {box}"
    if type(label) is not int or not 0 <= label < len(classes):
        known = ", ".join(f"{number} {name}" for number, name in enumerate(classes))
        return f"`bbox_label_3d` is {label!r}, which no class has; known are {known}"
    points = entry.get("num_lidar_pts")
    if type(points) is not int or points < 0:
        return f"`num_lidar_pts` must be a whole number, 0 or more, got {points!r}"
    if entry.get("difficulty_level", 0) not in (0, 1, 2):
        return f"`difficulty_level` must be 0, 1 or 2, got {entry['difficulty_level']!r}"
    return kitti_frames.object_fault(entry) if kitti else None


def checked_points(frames: list[dict], source: LidarSource) -> tuple[int, str]:
    """How many frames were read whole, and a checksum over the annotations and the points.

    Raises:
        DataError: for missing files (the first ten are named), for sizes that are no whole number
            of points, and for points that are not finite.
    """
    paths = [source.points / frame["lidar_points"]["lidar_path"] for frame in frames]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(paths)} files of points that {source.annotations} names are "
            f"missing, the first: {', '.join(missing[:NAMED])}; put them there"
        )
    digest = hashlib.sha256(json.dumps(frames, sort_keys=True).encode())
    step, read = max(1, len(frames) // FULLY_CHECKED), 0
    for number, (frame, path) in enumerate(zip(frames, paths, strict=True)):
        values, size = frame["lidar_points"]["num_pts_feats"], path.stat().st_size
        if size % (BYTES * values):
            raise DataError(
                f"{path} has {size} bytes, which is no whole number of points of {values} "
                "numbers (`num_pts_feats`) of 4 bytes; correct that, or restore the file"
            )
        digest.update(os.fsencode(f"{frame['lidar_points']['lidar_path']} {size}"))
        if number % step == 0:
            raw = path.read_bytes()
            _require_finite(np.frombuffer(raw, np.float32).reshape(-1, values), path)
            digest.update(raw)
            read += 1
    return read, digest.hexdigest()


def _require_finite(points: np.ndarray, path: Path) -> None:
    finite = np.isfinite(points).all(1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise DataError(
            f"{path} has {(~finite).sum()} points that are not finite, the first is number {row}: "
            f"{points[row].tolist()}; leave such points out"
        )
