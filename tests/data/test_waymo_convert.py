"""Conversion of version 2's parquet files: documented columns, and points as Waymo computes them.

The columns, and the points that Waymo's own conversion makes of their range images, were recorded
by scripts/make_waymo_parquet_case.py.
"""

# ruff: noqa: E402 - without pyarrow there is nothing to test.
import json
from pathlib import Path

import numpy as np
import pytest

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet")

from polyrepro.cli import main
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.lidar_folder import verify_lidar_folder
from polyrepro.data.lidar.waymo_convert import COMPONENTS, SPLITS, convert_waymo

CASE = np.load(Path(__file__).with_name("waymo_v2_case.npz"))
SCHEMA, COLUMNS = (json.loads(str(CASE[name])) for name in ("schema", "columns"))
FRAMES = (1_000_000, 1_100_000)
TYPES = {
    "string": pyarrow.string(),
    "int8": pyarrow.int8(),
    "int64": pyarrow.int64(),
    "double": pyarrow.float64(),
    "float": pyarrow.float32(),
    "list<item: float>": pyarrow.list_(pyarrow.float32()),
    "list<item: double>": pyarrow.list_(pyarrow.float64()),
    "fixed_size_list<item: int32>[3]": pyarrow.list_(pyarrow.int32(), 3),
    "fixed_size_list<item: double>[16]": pyarrow.list_(pyarrow.float64(), 16),
}


def write_version_2(root: Path, segments: tuple[str, ...] = ("a", "b")) -> Path:
    """Files of all components, with all documented columns, of the documented types."""
    for split in SPLITS:
        for component in COMPONENTS:
            (root / split / component).mkdir(parents=True)
            fields = SCHEMA[component]
            schema = pyarrow.schema([(name, TYPES[kind]) for name, kind in fields.items()])
            rows = [dict.fromkeys(fields) | row for row in COLUMNS[component]]
            for segment in segments:
                table = pyarrow.Table.from_pylist(rows, schema=schema)
                parquet.write_table(table, root / split / component / f"{segment}.parquet")
    return root


@pytest.fixture
def root(tmp_path):
    return write_version_2(tmp_path / "v2")


def test_points_are_those_of_waymos_own_conversion(root, tmp_path):
    assert convert_waymo(root, tmp_path / "out") == {"training": 4, "validation": 4}
    for number, frame in enumerate(FRAMES):
        points = np.fromfile(
            tmp_path / f"out/training/velodyne/{number:07d}.bin", np.float32
        ).reshape(-1, 6)
        roof = points[:, 5] >= 0
        for laser, chosen in ((1, roof), (2, ~roof)):
            expected = CASE[f"points/{frame}/{laser}"]
            first = points[chosen][: len(expected), :3]  # the second returns come after the first
            assert first == pytest.approx(expected, abs=2e-4)
        (row,) = (
            r
            for r in COLUMNS["lidar"]
            if r["key.frame_timestamp_micros"] == frame and r["key.laser_name"] == 1
        )
        image = np.reshape(row["[LiDARComponent].range_image_return1.values"], (-1, 4))
        seen = image[:, 0] > 0
        assert points[: seen.sum(), 3:5] == pytest.approx(image[seen, 1:3], abs=1e-6)
        assert points[: seen.sum(), 5].tolist() == np.flatnonzero(seen).tolist()
        second = np.reshape(row["[LiDARComponent].range_image_return2.values"], (-1, 4))
        assert roof.sum() == seen.sum() + (second[:, 0] > 0).sum()


def test_objects_without_points_and_signs_are_left_out(root, tmp_path):
    convert_waymo(root, tmp_path / "out")
    content = json.loads((tmp_path / "out/waymo_infos_train.json").read_text())
    frame = content["data_list"][1]
    assert frame["timestamp"] == FRAMES[1]
    rows = [r for r in COLUMNS["lidar_box"] if r["key.frame_timestamp_micros"] == FRAMES[1]]
    kept = [rows[0], rows[1], rows[3]]
    assert [i["bbox_label_3d"] for i in frame["instances"]] == [0, 1, 2]
    assert [i["difficulty_level"] for i in frame["instances"]] == [2, 1, 0]
    assert [i["num_lidar_pts"] for i in frame["instances"]] == [3, 10, 24]
    for row, found in zip(kept, frame["instances"], strict=True):
        prefix = "[LiDARBoxComponent].box"
        height = row[f"{prefix}.size.z"]
        assert found["bbox_3d"] == pytest.approx(
            [
                row[f"{prefix}.center.x"],
                row[f"{prefix}.center.y"],
                row[f"{prefix}.center.z"] - height / 2,
                row[f"{prefix}.size.x"],
                row[f"{prefix}.size.y"],
                height,
                row[f"{prefix}.heading"],
            ]
        )


def test_a_zone_without_labels_gives_no_points(root, tmp_path):
    convert_waymo(root, tmp_path / "out")
    before = (tmp_path / "out/training/velodyne/0000000.bin").stat().st_size
    path = root / "training/lidar/a.parquet"
    table = parquet.read_table(path)
    rows = table.to_pylist()
    name = "[LiDARComponent].range_image_return1"
    image = np.reshape(rows[0][f"{name}.values"], rows[0][f"{name}.shape"])
    marked = image[..., 0] > 20
    image[..., 3][marked] = 1.0
    rows[0][f"{name}.values"] = image.ravel().tolist()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=table.schema), path)
    convert_waymo(root, tmp_path / "out")
    after = (tmp_path / "out/training/velodyne/0000000.bin").stat().st_size
    assert before - after == marked.sum() * 24


def test_the_command_and_the_verification_of_what_it_makes(root, tmp_path, capsys):
    out = tmp_path / "out"
    main(["data", "convert", "waymo", "--root", str(root), "--output", str(out)])
    assert "4 frames of training, 4 frames of validation; verify them:" in capsys.readouterr().err
    manifest = verify_lidar_folder("waymo", out, tmp_path / "verified")
    assert manifest["point_values"] == 6
    counts = {split: entry["images"] for split, entry in manifest["splits"].items()}
    # The second segment of training is held out for validation, and validation is the test.
    assert counts == {"train": 2, "validation": 2, "test": 4}


def test_missing_files_are_named(root, tmp_path):
    (root / "validation/lidar_pose/b.parquet").unlink()
    with pytest.raises(DataError, match=r"1 of 10 files .*validation/lidar_pose/b\.parquet; fet"):
        convert_waymo(root, tmp_path / "out")
    with pytest.raises(DataError, match=r"training/lidar has no parquet files; --root is"):
        convert_waymo(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_columns_and_damaged_files_leave_no_annotations(root, tmp_path):
    convert_waymo(root, tmp_path / "out")
    path = root / "validation/lidar_box/b.parquet"
    table = parquet.read_table(path)
    name = "[LiDARBoxComponent].type"
    parquet.write_table(
        table.rename_columns([c + "s" * (c == name) for c in SCHEMA["lidar_box"]]), path
    )
    with pytest.raises(DataError, match=rf"b\.parquet has no column '\{name}': it is no file of"):
        convert_waymo(root, tmp_path / "out")
    assert not (tmp_path / "out/waymo_infos_val.json").exists()
    path.write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"cannot read .*b\.parquet: .*; fetch it again"):
        convert_waymo(root, tmp_path / "out")


def test_a_sweep_without_its_calibration(root, tmp_path):
    path = root / "training/lidar_calibration/a.parquet"
    parquet.write_table(parquet.read_table(path).slice(0, 1), path)
    with pytest.raises(
        DataError, match="sensor 2 at 1000000 has no calibration or no vehicle pose"
    ):
        convert_waymo(root, tmp_path / "out")
