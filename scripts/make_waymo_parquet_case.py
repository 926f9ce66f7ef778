"""Make tests/data/waymo_v2_case.npz: a small sweep in version 2's columns, and Waymo's own points.

    python3.11 -m venv waymo && waymo/bin/pip install tensorflow-cpu==2.13.1 "pyarrow<17"
    waymo/bin/pip install --no-deps waymo-open-dataset-tf-2-12-0==1.6.7
    waymo/bin/python scripts/make_waymo_parquet_case.py

The columns and their types are those that Waymo's package documents, and the points are what its
own conversion makes of the drawn range images, with two sensors: one with a pose per pixel and
stated beam inclinations, as the one on the roof has, and one without.

Arrays: `schema`, JSON: component to columns to types; `columns`, JSON: component to rows as Waymo's
components write them; `points/<frame>/<sensor>`: x, y, z of the first return in the vehicle's
coordinates, in the order of the pixels.
"""

# ruff: noqa: E402 - the package has to be prepared before its modules are imported.
import argparse
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import waymo_open_dataset

# The package itself imports dask and more, which these modules do not need.
v2 = ModuleType("waymo_open_dataset.v2")
v2.__path__ = [f"{path}/v2" for path in waymo_open_dataset.__path__]
sys.modules[v2.__name__] = v2

from waymo_open_dataset.v2.perception import box as v2_box
from waymo_open_dataset.v2.perception import context as v2_context
from waymo_open_dataset.v2.perception import lidar as v2_lidar
from waymo_open_dataset.v2.perception import pose as v2_pose
from waymo_open_dataset.v2.perception.utils import lidar_utils

OUTPUT = Path(__file__).parents[1] / "tests" / "data" / "waymo_v2_case.npz"
SEGMENT, FRAMES, SHAPE = "segment-1", (1_000_000, 1_100_000), (4, 16)
COMPONENTS = {
    "lidar": v2_lidar.LiDARComponent,
    "lidar_box": v2_box.LiDARBoxComponent,
    "lidar_calibration": v2_context.LiDARCalibrationComponent,
    "lidar_pose": v2_lidar.LiDARPoseComponent,
    "vehicle_pose": v2_pose.VehiclePoseComponent,
}


def transform(random: np.random.Generator, reach: float) -> list[float]:
    """A rotation, mostly around z, and a shift, as sixteen numbers."""
    angle, tilt = random.uniform(-3, 3), random.uniform(-0.1, 0.1)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    lean = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    whole = np.eye(4)
    whole[:3, :3] = turn @ lean
    whole[:3, 3] = random.uniform(-reach, reach, 3)
    return whole.ravel().tolist()


def columns(random: np.random.Generator) -> dict[str, list[dict]]:
    """Rows of all components."""
    rows: dict[str, list[dict]] = {name: [] for name in COMPONENTS}
    for laser in (1, 2):
        prefix = "[LiDARCalibrationComponent]"
        inclinations = [-0.3, -0.21, -0.1, 0.04] if laser == 1 else None
        rows["lidar_calibration"].append(
            {
                "key.segment_context_name": SEGMENT,
                "key.laser_name": laser,
                f"{prefix}.extrinsic.transform": transform(random, 2.0),
                f"{prefix}.beam_inclination.min": -0.3,
                f"{prefix}.beam_inclination.max": 0.04,
                f"{prefix}.beam_inclination.values": inclinations,
            }
        )
    for frame in FRAMES:
        key = {"key.segment_context_name": SEGMENT, "key.frame_timestamp_micros": frame}
        pose = transform(random, 50.0)
        rows["vehicle_pose"].append(
            key | {"[VehiclePoseComponent].world_from_vehicle.transform": pose}
        )
        for laser in (1, 2):
            image = random.uniform(0, 1, (*SHAPE, 4))
            image[..., 0] = random.uniform(2, 60, SHAPE) * (random.random(SHAPE) < 0.8)
            image[..., 3] = -1.0
            second = np.where(random.random((*SHAPE, 1)) < 0.9, 0.0, image * 0.9)
            entry = key | {"key.laser_name": laser}
            for number, values in enumerate((image, second), start=1):
                prefix = f"[LiDARComponent].range_image_return{number}"
                entry[f"{prefix}.values"] = values.ravel().astype(np.float32).tolist()
                entry[f"{prefix}.shape"] = list(values.shape)
            rows["lidar"].append(entry)
        angles = random.uniform(-0.05, 0.05, (*SHAPE, 3)) + np.array([0, 0, 1.0])
        shift = np.array(pose).reshape(4, 4)[:3, 3] + random.uniform(-0.5, 0.5, (*SHAPE, 3))
        pixels = np.concatenate([angles, shift], -1)
        prefix = "[LiDARPoseComponent].range_image_return1"
        rows["lidar_pose"].append(
            key
            | {
                "key.laser_name": 1,
                f"{prefix}.values": pixels.ravel().astype(np.float32).tolist(),
                f"{prefix}.shape": list(pixels.shape),
            }
        )
        for number, kind in enumerate((1, 2, 3, 4, 1)):
            prefix, box = "[LiDARBoxComponent]", "[LiDARBoxComponent].box"
            centre, size = random.uniform(-20, 20, 3), random.uniform(0.5, 4, 3)
            rows["lidar_box"].append(
                key
                | {"key.laser_object_id": f"{frame}-{number}"}
                | {
                    f"{box}.center.{axis}": v
                    for axis, v in zip("xyz", centre.tolist(), strict=True)
                }
                | {f"{box}.size.{axis}": v for axis, v in zip("xyz", size.tolist(), strict=True)}
                | {f"{box}.heading": float(random.uniform(-3, 3)), f"{prefix}.type": kind}
                | {f"{prefix}.num_lidar_points_in_box": 0 if number == 4 else 7 * number + 3}
                | {f"{prefix}.num_top_lidar_points_in_box": 0}
                | {f"{prefix}.difficulty_level.detection": (2, 1, 0, 0, 1)[number]}
                | {f"{prefix}.difficulty_level.tracking": 1}
            )
    return rows


def points(rows: dict[str, list[dict]]) -> dict[str, np.ndarray]:
    """By Waymo's own conversion."""
    found = {}
    for row in rows["lidar"]:
        frame, laser = row["key.frame_timestamp_micros"], row["key.laser_name"]
        (calibration,) = (r for r in rows["lidar_calibration"] if r["key.laser_name"] == laser)
        (pose,) = (r for r in rows["vehicle_pose"] if r["key.frame_timestamp_micros"] == frame)
        pixels = [
            v2_lidar.LiDARPoseComponent.from_dict(r).range_image_return1
            for r in rows["lidar_pose"]
            if (r["key.frame_timestamp_micros"], r["key.laser_name"]) == (frame, laser)
        ]
        found[f"points/{frame}/{laser}"] = lidar_utils.convert_range_image_to_point_cloud(
            v2_lidar.LiDARComponent.from_dict(row).range_image_return1,
            v2_context.LiDARCalibrationComponent.from_dict(calibration),
            pixels[0] if pixels else None,
            v2_pose.VehiclePoseComponent.from_dict(pose) if pixels else None,
        ).numpy()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    rows = columns(np.random.default_rng(5))
    schema = {
        name: {field.name: str(field.type) for field in component.schema()}
        for name, component in COMPONENTS.items()
    }
    for name, entries in rows.items():
        assert set(entries[0]) <= set(schema[name]), set(entries[0]) - set(schema[name])
    arrays = {"schema": json.dumps(schema), "columns": json.dumps(rows)} | points(rows)
    np.savez_compressed(options.output, **arrays)
    print(json.dumps(schema, indent=1))


if __name__ == "__main__":
    main()
