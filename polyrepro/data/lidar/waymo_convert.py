"""`polyrepro data convert waymo`: from version 2 of the Waymo Open Dataset to our layout.

Version 2 is a folder per split and component with a parquet file per segment:
`training/lidar/<segment>.parquet`, `lidar_box`, `lidar_calibration`, `lidar_pose`, `vehicle_pose`.
The result is MMDetection3D's layout with JSON annotations: `waymo_infos_train.json` and
`training/velodyne/*.bin` with six numbers per point: x, y, z, intensity, elongation, and the
position in the range image of the LiDAR on the roof (-1 for the others).

**Never run on the real files**: the tests write files of the documented columns, and compare the
points with those of Waymo's own conversion.
"""

import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.frames import NAMED
from polyrepro.data.lidar.lidar_format import WAYMO_CLASSES
from polyrepro.data.lidar.waymo_points import points_of, uniform_inclinations
from polyrepro.extras import how_to_install
from polyrepro.files import write_json

SPLITS = {"training": ("train", 0), "validation": ("val", 1)}
"""Folder of version 2 to the name in our files and the first digit of the frames' numbers."""
COMPONENTS = ("lidar", "lidar_box", "lidar_calibration", "lidar_pose", "vehicle_pose")
LABELS = {1: 0, 2: 1, 4: 2}
"""Waymo's types of vehicles, pedestrians and cyclists; signs are left out."""
ROOF = 1
POINT_VALUES = 6
FRAME, LASER = "key.frame_timestamp_micros", "key.laser_name"


def convert_waymo(root: Path, output: Path) -> dict[str, int]:
    """Convert the training and validation split.

    Points are written first and the annotation files last, so that what was interrupted is not
    taken for complete; what is there already is written again.

    Args:
        root: folder of version 2 with `training/` and `validation/`.
        output: folder for the layout, which is the `--root` of `polyrepro data verify waymo`.

    Returns:
        Number of frames by split.

    Raises:
        DataError: if pyarrow, a split, a component's file or a column is missing.
    """
    arrow = _arrow()
    segments = {split: _segments(root, split) for split in SPLITS}
    annotations = {split: output / f"waymo_infos_{SPLITS[split][0]}.json" for split in SPLITS}
    for path in annotations.values():
        path.unlink(missing_ok=True)
    place = output / "training" / "velodyne"
    place.mkdir(parents=True, exist_ok=True)
    _require_room(root, place)
    counts = {}
    for split, names in segments.items():
        frames = []
        for position, name in enumerate(names):
            files = {c: root / split / c / f"{name}.parquet" for c in COMPONENTS}
            first = (SPLITS[split][1] * 1000 + position) * 1000
            frames += _convert_segment(arrow, files, name, first, place)
            print(f"{split}: {position + 1} of {len(names)} segments", file=sys.stderr)
        info = {"dataset": "waymo", "categories": {n: i for i, n in enumerate(WAYMO_CLASSES)}}
        write_json(annotations[split], {"metainfo": info, "data_list": frames})
        counts[split] = len(frames)
    return counts


def _convert_segment(
    arrow: ModuleType, files: dict[str, Path], name: str, first: int, place: Path
) -> list[dict]:
    """Write the points of a segment's frames; their annotations, in the order of time."""
    sensors = {row[LASER]: row for row in _rows(arrow, files["lidar_calibration"])}
    vehicle = {
        row[FRAME]: _matrix(row["[VehiclePoseComponent].world_from_vehicle.transform"])
        for row in _rows(arrow, files["vehicle_pose"])
    }
    poses = {
        (row[FRAME], row[LASER]): _image(row, "[LiDARPoseComponent].range_image_return1")
        for row in _rows(arrow, files["lidar_pose"])
    }
    boxes = defaultdict(list)
    for row in _rows(arrow, files["lidar_box"]):
        boxes[row[FRAME]].append(row)
    numbers = {time: first + number for number, time in enumerate(sorted(vehicle))}
    clouds = defaultdict(dict)
    for row in _rows(arrow, files["lidar"]):
        time, laser = row[FRAME], row[LASER]
        if laser not in sensors or time not in vehicle:
            raise DataError(
                f"{files['lidar']}: sensor {laser} at {time} has no calibration or no vehicle pose "
                "in the segment's other files; fetch them again"
            )
        clouds[time][laser] = _cloud(row, sensors[laser], poses.get((time, laser)), vehicle[time])
    for time, number in numbers.items():
        parts = [part for _, part in sorted(clouds[time].items())]
        whole = np.concatenate([np.zeros((0, POINT_VALUES)), *parts]).astype(np.float32)
        whole.tofile(place / f"{number:07d}.bin")
    return [
        {
            "sample_idx": number,
            "timestamp": time,
            "context_name": name,
            "lidar_points": {"lidar_path": f"{number:07d}.bin", "num_pts_feats": POINT_VALUES},
            "instances": _instances(boxes[time]),
        }
        for time, number in numbers.items()
    ]


def _cloud(row: dict, sensor: dict, poses: np.ndarray | None, vehicle: np.ndarray) -> np.ndarray:
    """Points of both returns of a sensor, (n, 6)."""
    prefix = "[LiDARCalibrationComponent]"
    extrinsic = _matrix(sensor[f"{prefix}.extrinsic.transform"])
    parts = []
    for number in (1, 2):
        image = _image(row, f"[LiDARComponent].range_image_return{number}")
        if image is None:
            continue
        inclinations = sensor.get(f"{prefix}.beam_inclination.values")
        if inclinations is None:
            edges = (sensor[f"{prefix}.beam_inclination.{end}"] for end in ("min", "max"))
            inclinations = uniform_inclinations(*edges, len(image))
        points, pixels = points_of(image, extrinsic, np.array(inclinations), poses, vehicle)
        pixels = pixels if row[LASER] == ROOF else np.full(len(pixels), -1)
        parts.append(np.concatenate([points, pixels[:, None]], 1))
    return np.concatenate(parts) if parts else np.zeros((0, POINT_VALUES))


def _instances(rows: list[dict]) -> list[dict]:
    """Objects of a frame that have a point; a box stands on its z, as in MMDetection3D."""
    prefix = "[LiDARBoxComponent]"
    found = []
    for row in rows:
        kind, points = row[f"{prefix}.type"], row[f"{prefix}.num_lidar_points_in_box"]
        if kind not in LABELS or points < 1:
            continue
        x, y, z = (row[f"{prefix}.box.center.{axis}"] for axis in "xyz")
        size = [row[f"{prefix}.box.size.{axis}"] for axis in "xyz"]
        found.append(
            {
                "bbox_3d": [x, y, z - size[2] / 2, *size, row[f"{prefix}.box.heading"]],
                "bbox_label_3d": LABELS[kind],
                "num_lidar_pts": points,
                "difficulty_level": row.get(f"{prefix}.difficulty_level.detection") or 0,
            }
        )
    return found


def _matrix(values: list[float]) -> np.ndarray:
    return np.array(values).reshape(4, 4)


def _image(row: dict, prefix: str) -> np.ndarray | None:
    """A range image; None if the sensor has no such return."""
    values = row.get(f"{prefix}.values")
    return None if values is None else np.asarray(values).reshape(row[f"{prefix}.shape"])


def _rows(arrow: ModuleType, path: Path) -> Iterator[dict]:
    """The rows of a parquet file, a few at a time: a segment's range images fill gigabytes.

    Raises:
        DataError: if the file cannot be read or lacks a column.
    """
    try:
        file = arrow.ParquetFile(path)
        for batch in file.iter_batches(batch_size=4):
            names = batch.schema.names
            missing = [c for c in _REQUIRED[path.parent.name] if c not in names]
            if missing:
                raise DataError(
                    f"{path} has no column {missing[0]!r}: it is no file of version 2 of the Waymo "
                    "Open Dataset as documented; fetch it again"
                )
            # As arrays, not lists: a list of a million numbers takes eight times the memory.
            for number in range(batch.num_rows):
                yield {
                    name: _value(column[number])
                    for name, column in zip(names, batch.columns, strict=True)
                }
    except (OSError, ValueError) as error:  # pyarrow has both
        raise DataError(f"cannot read {path}: {error}; fetch it again") from None


def _value(scalar):
    values = getattr(scalar, "values", None)
    if values is None:
        return scalar.as_py()
    return values.to_numpy(zero_copy_only=False)


_REQUIRED = {
    "lidar": (FRAME, LASER, "[LiDARComponent].range_image_return1.values"),
    "lidar_box": (FRAME, "[LiDARBoxComponent].box.center.x", "[LiDARBoxComponent].type"),
    "lidar_calibration": (LASER, "[LiDARCalibrationComponent].extrinsic.transform"),
    "lidar_pose": (FRAME, LASER, "[LiDARPoseComponent].range_image_return1.values"),
    "vehicle_pose": (FRAME, "[VehiclePoseComponent].world_from_vehicle.transform"),
}


def _segments(root: Path, split: str) -> list[str]:
    """Names of the segments of a split, all of whose files are there."""
    names = sorted(path.stem for path in (root / split / "lidar").glob("*.parquet"))
    if not names:
        raise DataError(
            f"{root / split / 'lidar'} has no parquet files; --root is the folder of version 2 of "
            "the Waymo Open Dataset, with training/ and validation/"
        )
    wanted = [root / split / c / f"{name}.parquet" for c in COMPONENTS for name in names]
    missing = [str(path) for path in wanted if not path.is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(wanted)} files are missing, the first: "
            f"{', '.join(missing[:NAMED])}; fetch them, too"
        )
    return names


def _require_room(root: Path, place: Path) -> None:
    """Points take about as much room as the parquet files of the range images."""
    needed = sum(p.stat().st_size for split in SPLITS for p in (root / split / "lidar").iterdir())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise DataError(
            f"{place} has room for {free / 1e9:.0f} GB, but the points need about "
            f"{needed / 1e9:.0f} GB; give another --output"
        )


def _arrow() -> ModuleType:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise DataError(
            "the files of version 2 of the Waymo Open Dataset need pyarrow, which is not "
            f"installed; run {how_to_install('detection3d')}"
        ) from None
    return pyarrow.parquet
