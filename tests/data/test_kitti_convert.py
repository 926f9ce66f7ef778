"""From KITTI's own files to the layout that is verified, on files of the documented format."""

import json

import numpy as np
import pytest
from kitti_files import FRAMES, IMAGE, matrices, write_kitti_files

from polyrepro.cli import main
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.kitti_convert import USUAL_SIZE, convert_kitti


@pytest.fixture
def root(tmp_path):
    return write_kitti_files(tmp_path / "kitti")


def frames_of(folder, split: str) -> list[dict]:
    return json.loads((folder / f"kitti_infos_{split}.json").read_text())["data_list"]


def refusal(root) -> str:
    """The message; no annotations are written, and so nothing that would be verified."""
    with pytest.raises(DataError) as info:
        convert_kitti(root, root / "layout")
    assert not list((root / "layout").glob("*.json"))
    return str(info.value)


def test_boxes_points_and_calibration(root, tmp_path, capsys):
    output = tmp_path / "layout"
    main(["data", "convert", "kitti", "--root", str(root), "--output", str(output)])
    assert "4 frames of train, 3 frames of val; verify them: polyrepro data verify kitti" in (
        capsys.readouterr().err
    )
    first, second, *_ = frames_of(output, "train")
    assert first["instances"] == []  # a region that nobody has to find is no object
    assert [frame["sample_idx"] for frame in frames_of(output, "val")] == list(FRAMES["val"])
    car, person, cyclist = second["instances"]
    assert (car["bbox_label_3d"], person["bbox_label_3d"], cyclist["bbox_label"]) == (2, 0, 1)
    # Length, height, width, as MMDetection3D has them; KITTI's files have height, width, length.
    assert car["bbox_3d"][3:6] == [3.9, 1.5, 1.6]
    assert (cyclist["truncated"], person["occluded"], person["truncated"]) == (0.2, 1, 0.1)
    assert all(60 <= entry["num_lidar_pts"] <= 150 for entry in second["instances"])
    camera = second["images"]["CAM2"]
    projection, rectification, to_camera = matrices()
    np.testing.assert_allclose(camera["lidar2cam"], rectification @ to_camera)
    np.testing.assert_allclose(camera["cam2img"], projection)
    assert (camera["width"], camera["height"]) == IMAGE
    assert "plane" not in second
    name = second["lidar_points"]["lidar_path"]
    whole = np.fromfile(root / "training" / "velodyne" / name, np.float32).reshape(-1, 4)
    kept = np.fromfile(output / "training/velodyne_reduced" / name, np.float32).reshape(-1, 4)
    assert 300 < len(kept) < len(whole) / 2
    assert kept[:, 0].min() > 0
    assert {tuple(point) for point in kept} <= {tuple(point) for point in whole}


def test_ground_planes_point_upwards(tmp_path):
    root = write_kitti_files(tmp_path, planes=True)
    path = root / "training" / "planes" / "000003.txt"
    path.write_text(path.read_text().replace("-0.001 -1.0 0.0005 1.65", "0 2 0 -3.4"))
    convert_kitti(root, root)
    first, second, *_ = frames_of(root, "train")
    assert first["plane"] == pytest.approx([-0.001, -1.0, 0.0005, 1.65], abs=1e-5)
    assert second["plane"] == pytest.approx([0, -1, 0, 1.7])
    path.write_text("# Plane\n")
    assert "000003.txt needs four finite numbers in its fourth line" in refusal(root)


def test_without_images_their_usual_size_is_taken_and_said(root, capsys):
    (root / "training" / "image_2").rename(root / "elsewhere")
    convert_kitti(root, root)
    camera = frames_of(root, "val")[0]["images"]["CAM2"]
    assert (camera["width"], camera["height"]) == USUAL_SIZE
    assert "image_2 does not exist, so all images count as 1242 x 375" in capsys.readouterr().err


def test_missing_files_are_named(root):
    for name in FRAMES["val"]:
        (root / "training" / "label_2" / f"{name}.txt").unlink()
    message = refusal(root)
    assert "3 of 28 files are missing, the first: " in message
    assert "label_2/000005.txt; fetch them, too" in message


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("ImageSets/val.txt", None, "cannot read the list of frames"),
        ("ImageSets/val.txt", "", "val.txt must have the number of a frame on each line"),
        ("ImageSets/val.txt", "a.bin\n", "found 'a.bin'"),
        ("ImageSets/val.txt", "000001\n000001\n", "has the frame 000001 twice"),
        ("ImageSets/val.txt", "000003\n", "1 frames are in both lists"),
        ("training/label_2/000004.txt", "Car 0 0 0\n", "000004.txt, line 1: must be one of"),
        (
            "training/label_2/000004.txt",
            f"Lorry {'0 ' * 14}\n",
            "must be one of Pedestrian, Cyclist, Car, ",
        ),
        (
            "training/label_2/000004.txt",
            f"Car {'0 ' * 13} nan\n",
            "14 finite numbers, got 'Car 0 0",
        ),
        ("training/calib/000004.txt", "P2: 1 2\n", "needs a line P2: with 12 finite numbers"),
        ("training/velodyne/000004.bin", "abc", "has 3 bytes, which is no whole number of points"),
        ("training/image_2/000004.png", "abc", "cannot read the size of"),
    ],
)
def test_files_that_cannot_be_used(root, file, text, message):
    path = root / file
    path.unlink() if text is None else path.write_text(text)
    assert message in refusal(root)
