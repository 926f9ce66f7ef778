"""KITTI's layout: boxes of a camera, what its image shows, and the checks of its frames."""

import json
import math

import numpy as np
import pytest
from kitti_files import IMAGE, matrices, write_kitti_files

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.kitti_boxes import camera_to_lidar, points_in_box, points_in_image
from polyrepro.data.lidar.kitti_convert import convert_kitti
from polyrepro.data.lidar.kitti_frames import difficulty_of
from polyrepro.data.lidar.lidar_folder import verify_lidar_folder
from polyrepro.data.lidar.lidar_format import open_lidar
from polyrepro.data.manifests import write_manifest

# Right, down, ahead of a camera that is level and 1.7 m above the ground, 0.3 m ahead of the LiDAR.
LIDAR_TO_CAMERA = [[0, -1, 0, 0.1], [0, 0, -1, -0.08], [1, 0, 0, -0.3], [0, 0, 0, 1]]
CAMERA_BOX = [-2.0, 1.7, 12.0, 4.2, 1.5, 1.8, 0.4]


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kitti")
    convert_kitti(write_kitti_files(folder), folder)
    return folder


@pytest.fixture
def root(converted, tmp_path):
    """The layout, whose annotations a test may damage."""
    for path in converted.glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "training").symlink_to(converted / "training")
    return tmp_path


def verified(root):
    return verify_lidar_folder("kitti", root, root / "verified" / "kitti")


def damaged(root, split: str, change) -> str:
    """The message after a change to the frames of a split; nothing is written."""
    path = root / f"kitti_infos_{split}.json"
    content = json.loads(path.read_text())
    change(content["data_list"])
    path.write_text(json.dumps(content))
    with pytest.raises(DataError) as info:
        verified(root)
    assert not (root / "verified").exists()
    return str(info.value)


def test_a_box_in_the_coordinates_of_the_lidar():
    box = camera_to_lidar(CAMERA_BOX, np.array(LIDAR_TO_CAMERA, float))
    expected = [12.3, 2.1, -1.78, 4.2, 1.8, 1.5, -0.4 - math.pi / 2]
    assert box == pytest.approx(expected)
    ahead = camera_to_lidar([*CAMERA_BOX[:6], -math.pi / 2], np.array(LIDAR_TO_CAMERA, float))
    assert ahead[6] == pytest.approx(0)


def test_boxes_and_points_are_those_of_mmdetection3d():
    # It puts mmcv's operators in place, without which MMDetection3D cannot be imported.
    pytest.importorskip("polyrepro.detection", exc_type=ImportError)
    structures = pytest.importorskip("mmdet3d.structures", exc_type=ImportError)
    box_np_ops = structures.ops.box_np_ops
    boxes = structures.CameraInstance3DBoxes(np.array([CAMERA_BOX], np.float32))
    turned = boxes.convert_to(
        structures.Box3DMode.LIDAR, np.linalg.inv(np.array(LIDAR_TO_CAMERA, float))
    ).tensor[0]
    box = camera_to_lidar(CAMERA_BOX, np.array(LIDAR_TO_CAMERA, float))
    assert box == pytest.approx(turned.tolist(), abs=1e-4)
    random = np.random.default_rng(3)
    points = random.uniform([-40, -40, -3, 0], [130, 40, 3, 1], (20_000, 4)).astype(np.float32)
    projection, rectification, to_camera = matrices()
    seen = points_in_image(points, rectification @ to_camera, projection, IMAGE)
    expected = box_np_ops.remove_outside_points(
        points, rectification, to_camera, projection, IMAGE[::-1]
    )
    assert 1000 < seen.sum() < 10_000
    np.testing.assert_array_equal(points[seen], expected)
    close = random.normal(np.add(box[:3], [0, 0, 0.7]), 2, (2000, 3)).astype(np.float32)
    inside = box_np_ops.points_in_rbbox(close, np.array([box], np.float32))[:, 0]
    assert 20 < inside.sum() < 1000
    np.testing.assert_array_equal(points_in_box(close, box), inside)


@pytest.mark.parametrize(
    ("height", "occluded", "truncated", "level"),
    [
        (41, 0, 0.15, 0),
        (40, 0, 0.0, 1),
        (41, 1, 0.0, 1),
        (41, 0, 0.16, 1),
        (26, 2, 0.5, 2),
        (25, 0, 0.0, -1),
        (90, 3, 0.0, -1),
        (90, 0, 0.51, -1),
    ],
)
def test_levels_by_kittis_rules(height, occluded, truncated, level):
    entry = {"bbox": [0, 10, 50, 10 + height], "occluded": occluded, "truncated": truncated}
    assert difficulty_of(entry) == level


def test_a_tenth_of_the_training_is_held_out_and_objects_are_cut_out_of_the_rest(root):
    manifest = verified(root)
    write_manifest(root / "verified" / "kitti", manifest)
    assert manifest["classes"][:3] == ["Pedestrian", "Cyclist", "Car"]
    counts = {split: entry["images"] for split, entry in manifest["splits"].items()}
    assert counts == {"train": 3, "validation": 1, "test": 3}
    samples = manifest["samples"]
    assert samples["per_class"] == [2, 2, 2, 0, 0, 0, 0, 0] and not samples["ground_planes"]
    data = open_lidar(root / "verified" / "kitti")
    frames = json.loads(data.annotations["train"].read_text())["data_list"]
    entry = frames[1]["instances"][0]
    (cut, _) = json.loads(data.samples.read_text())["Car"]
    assert cut["box3d_lidar"][:6] == pytest.approx([6.8, -2.5, -1.7, 3.9, 1.6, 1.5], abs=1e-3)
    assert cut["num_points_in_gt"] == entry["num_lidar_pts"] >= 50
    points = np.fromfile(data.samples.parent / cut["path"], np.float32).reshape(-1, 4)
    assert len(points) == cut["num_points_in_gt"]
    assert np.abs(points[:, :3]).max() < 4.2 / 2 and points[:, 2].min() >= 0
    data.samples.write_text("{}")
    with pytest.raises(DataError, match=r"samples.json is missing or has changed since the data"):
        open_lidar(root / "verified" / "kitti")


def test_points_that_the_camera_does_not_see_are_not_taken(root):
    (root / "training").unlink()
    (root / "training" / "velodyne").mkdir(parents=True)
    with pytest.raises(DataError, match=r"missing, the first: .*velodyne_reduced/000000\.bin"):
        verified(root)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lidar2cam", None, r"frame 1: `images.CAM2.lidar2cam` must be four times four finite"),
        ("lidar2cam", [[1, 2], [3, 4]], "`images.CAM2.lidar2cam` must be four times four"),
        ("cam2img", np.zeros((4, 4)).tolist(), "`images.CAM2.cam2img` must be four times four"),
        ("height", 370.5, "`images.CAM2.height` must be pixels, got 370.5"),
    ],
)
def test_frames_without_calibration_are_named(root, name, value, message):
    def change(frames):
        frames[1]["images"]["CAM2"][name] = value

    found = damaged(root, "val", change)
    assert "kitti_infos_val.json has 1 entries that cannot be used" in found
    assert message in found


def test_frames_of_another_layout_are_told_how_to_get_one(root):
    def change(frames):
        for frame in frames:
            del frame["images"]

    found = damaged(root, "train", change)
    assert "has 3 entries" in found  # a tenth, at least one, is held out
    assert "needs `images.CAM2` with the calibration; make the file with `polyrepro data" in found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bbox": [10, 20, 10, 40]}, "`bbox` must be left, top, right and bottom in pixels, each"),
        ({"bbox": None}, "got None"),
        ({"occluded": 4}, "`occluded` must be 0, 1, 2 or 3, got 4"),
        ({"truncated": -1}, "`truncated` must be a number from 0 to 1, got -1"),
        ({"truncated": float("nan")}, "`truncated` must be a number from 0 to 1, got nan"),
        ({"alpha": "left"}, "`alpha` must be an angle in radians, got 'left'"),
        ({"bbox_3d": [0.0] * 7}, "`bbox_3d` has a length, width or height that is not positive"),
    ],
)
def test_objects_that_the_metric_cannot_judge_are_named(root, changes, message):
    def change(frames):
        frames[1]["instances"][2].update(changes)

    found = damaged(root, "val", change)
    assert "frame 1, object 2: `" in found and message in found


def test_ground_planes_are_four_numbers(root):
    def change(frames):
        frames[0]["plane"] = [0, -1, 0]

    assert "`plane` must be four finite numbers, got [0, -1, 0]" in damaged(root, "train", change)
