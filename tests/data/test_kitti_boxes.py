"""KITTI's layout: boxes of the camera become boxes of the LiDAR."""

import json
import math

import numpy as np
import pytest
from lidar_files import VALUES, frames_of, write_annotations, write_lidar

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.folder import verify_lidar_folder
from polyrepro.data.lidar.kitti_boxes import camera_to_lidar

# Right, down, ahead of a camera that is level and 1.7 m above the ground, 0.3 m ahead of the LiDAR.
LIDAR_TO_CAMERA = [[0, -1, 0, 0.1], [0, 0, -1, -0.08], [1, 0, 0, -0.3], [0, 0, 0, 1]]
CAMERA_BOX = [-2.0, 1.7, 12.0, 4.2, 1.5, 1.8, 0.4]


@pytest.fixture
def root(tmp_path):
    """The layout of Waymo's files with KITTI's names, calibration and boxes."""
    write_lidar(tmp_path)
    for split in ("train", "val", "test"):
        frames = frames_of(tmp_path, split)
        for frame in frames:
            frame["images"] = {"CAM2": {"lidar2cam": LIDAR_TO_CAMERA}}
            for entry in frame["instances"]:
                entry["bbox_3d"] = CAMERA_BOX
        write_annotations(tmp_path, split, frames)
        (tmp_path / f"waymo_infos_{split}.json").rename(tmp_path / f"kitti_infos_{split}.json")
    return tmp_path


def test_a_box_in_the_coordinates_of_the_lidar():
    box = camera_to_lidar(CAMERA_BOX, np.array(LIDAR_TO_CAMERA, float))
    expected = [12.3, 2.1, -1.78, 4.2, 1.8, 1.5, -0.4 - math.pi / 2]
    assert box == pytest.approx(expected)
    ahead = camera_to_lidar([*CAMERA_BOX[:6], -math.pi / 2], np.array(LIDAR_TO_CAMERA, float))
    assert ahead[6] == pytest.approx(0)


def test_as_mmdetection3d_converts_it():
    # It puts mmcv's operators in place, without which MMDetection3D cannot be imported.
    pytest.importorskip("polyrepro.detection", exc_type=ImportError)
    structures = pytest.importorskip("mmdet3d.structures", exc_type=ImportError)
    boxes = structures.CameraInstance3DBoxes(np.array([CAMERA_BOX], np.float32))
    turned = boxes.convert_to(
        structures.Box3DMode.LIDAR, np.linalg.inv(np.array(LIDAR_TO_CAMERA, float))
    ).tensor[0]
    box = camera_to_lidar(CAMERA_BOX, np.array(LIDAR_TO_CAMERA, float))
    assert box == pytest.approx(turned.tolist(), abs=1e-4)


def test_the_verified_frames_have_them(root, tmp_path):
    manifest = verify_lidar_folder("kitti", root, tmp_path / "verified")
    assert manifest["classes"][:3] == ["Pedestrian", "Cyclist", "Car"]
    assert manifest["point_values"] == VALUES
    frames = json.loads((tmp_path / "verified" / "test.json").read_text())["data_list"]
    assert frames[1]["instances"][0]["bbox_3d"][:3] == pytest.approx([12.3, 2.1, -1.78])


def test_without_a_test_split_frames_are_held_out(root, tmp_path):
    (root / "kitti_infos_test.json").unlink()
    manifest = verify_lidar_folder("kitti", root, tmp_path / "verified")
    counts = {split: entry["images"] for split, entry in manifest["splits"].items()}
    assert counts == {"train": 2, "validation": 1, "test": 2}


@pytest.mark.parametrize("matrix", [None, [[1, 2], [3, 4]], np.zeros((4, 4)).tolist()])
def test_frames_without_calibration_are_named(root, tmp_path, matrix):
    path = root / "kitti_infos_val.json"
    content = json.loads(path.read_text())
    content["data_list"][1]["images"]["CAM2"]["lidar2cam"] = matrix
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"kitti_infos_val.json: 1 frames have no `images.CAM2"):
        verify_lidar_folder("kitti", root, tmp_path / "verified")
