"""Verification of LiDAR data: what is found, and what is refused before anything is trained."""

import json

import numpy as np
import pytest
from lidar_files import BOX, VALUES, frames_of, instance, write_annotations, write_lidar

from polyrepro.cli import main
from polyrepro.data import open_dataset
from polyrepro.data.drawn.lidar_scenes import prepare_lidar_scenes
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.lidar_folder import verify_lidar_folder
from polyrepro.data.lidar.lidar_format import open_lidar
from polyrepro.data.manifests import write_manifest


@pytest.fixture
def root(tmp_path):
    return write_lidar(tmp_path / "root")


def verified(root, tmp_path):
    return verify_lidar_folder("waymo", root, tmp_path / "verified")


def refusal(root, tmp_path):
    """The message; nothing is written."""
    with pytest.raises(DataError) as info:
        verified(root, tmp_path)
    assert not (tmp_path / "verified").exists()
    return str(info.value)


def test_counts_classes_and_checksums(root, tmp_path):
    manifest = verified(root, tmp_path)
    assert manifest["classes"] == ["Car", "Pedestrian", "Cyclist"]
    assert manifest["point_values"] == VALUES
    train = manifest["splits"]["train"]
    assert train | {"sha256": ""} == {
        "images": 3,
        "objects": 3,
        "per_class": [2, 1, 0],
        "images_without_objects": 1,
        "images_read": 3,
        "sha256": "",
    }
    points = root / "train" / "velodyne" / "1.bin"
    points.write_bytes(points.read_bytes()[::-1])
    again = verified(root, tmp_path)
    assert again["splits"]["train"]["sha256"] != train["sha256"]
    assert again["splits"]["test"] == manifest["splits"]["test"]


def test_what_a_training_opens(root, tmp_path):
    folder = tmp_path / "data" / "waymo"
    main(["data", "verify", "waymo", "--root", str(root), "--output", str(folder)])
    data = open_dataset("waymo", tmp_path)
    assert data.count("train") == 3
    assert data.count("train", 2) == 2
    assert data.points["validation"] == root / "val" / "velodyne"
    frames = json.loads(data.annotations["train"].read_text())["data_list"]
    assert [frame["sample_idx"] for frame in frames] == [0, 1, 2]
    # MMDetection3D needs the same keys in all objects.
    assert frames[2]["instances"] == [
        {"bbox_3d": BOX, "bbox_label_3d": n, "num_lidar_pts": 9, "difficulty_level": 0}
        for n in (0, 1)
    ]


def test_a_frame_without_objects_and_without_points_is_one(root, tmp_path):
    (root / "train" / "velodyne" / "0.bin").write_bytes(b"")
    assert verified(root, tmp_path)["splits"]["train"]["images"] == 3


def test_missing_points_are_named(root, tmp_path):
    frames = frames_of(root, "train")
    others = [
        {**frames[0], "lidar_points": {"lidar_path": f"gone{n}.bin", "num_pts_feats": VALUES}}
        for n in range(12)
    ]
    write_annotations(root, "train", [*frames, *others])
    message = refusal(root, tmp_path)
    assert "12 of 15 files of points" in message
    assert "gone9.bin; put them there" in message
    assert "gone10.bin" not in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bbox_3d": [*BOX[:6], float("nan")]}, "`bbox_3d` is not finite: "),
        ({"bbox_3d": BOX[:6]}, "`bbox_3d` must be seven numbers, got"),
        (
            {"bbox_3d": [*BOX[:4], 0.0, *BOX[5:]]},
            "`bbox_3d` has a length, width or height that is not",
        ),
        (
            {"bbox_label_3d": 3},
            "`bbox_label_3d` is 3, which no class has; known are 0 Car, 1 Pedestrian, 2 Cyclist",
        ),
        ({"bbox_label_3d": True}, "`bbox_label_3d` is True"),
        ({"num_lidar_pts": None}, "`num_lidar_pts` must be a whole number"),
        ({"difficulty_level": 3}, "`difficulty_level` must be 0, 1 or 2, got 3"),
    ],
)
def test_boxes_that_cannot_be_used(root, tmp_path, changes, message):
    frames = frames_of(root, "val")
    frames[1]["instances"].append(instance(**changes))
    write_annotations(root, "val", frames)
    found = refusal(root, tmp_path)
    assert f"{root / 'waymo_infos_val.json'} has 1 entries that cannot be used" in found
    assert f"frame 1, object 1: {message}" in found


def test_objects_of_no_class_are_neither_trained_nor_counted(root, tmp_path):
    frames = frames_of(root, "train")
    frames[2]["instances"].append(instance(-1, bbox_3d=[-1000.0] * 7, num_lidar_pts=-1))
    write_annotations(root, "train", frames)
    assert verified(root, tmp_path)["splits"]["train"]["objects"] == 3


def test_points_that_are_not_finite(root, tmp_path):
    path = root / "test" / "velodyne" / "1.bin"
    points = np.fromfile(path, np.float32).reshape(-1, VALUES)
    points[[7, 9], 2] = np.nan, np.inf
    points.tofile(path)
    message = refusal(root, tmp_path)
    assert f"{path} has 2 points that are not finite, the first is number 7: " in message
    assert message.endswith("leave such points out")


def test_a_file_that_is_no_whole_number_of_points(root, tmp_path):
    path = root / "train" / "velodyne" / "1.bin"
    path.write_bytes(path.read_bytes()[:-4])
    assert f"{path} has 996 bytes, which is no whole number of points of 5" in refusal(
        root, tmp_path
    )


def test_points_of_several_lengths(root, tmp_path):
    frames = frames_of(root, "test")
    frames[0]["lidar_points"]["num_pts_feats"] = 4
    write_annotations(root, "test", frames)
    message = refusal(root, tmp_path)
    assert "different numbers of values (`num_pts_feats`): 5 (" in message
    assert "waymo_infos_test.json: 0.bin); a network reads one kind" in message


def test_frames_in_two_splits(root, tmp_path):
    for split in ("val", "test"):
        (root / split / "velodyne").rename(root / split / "other")
    (root / "train").rename(root / "training")
    message = refusal(root, tmp_path)
    assert "4 frames belong to two splits" in message
    assert "(train and validation)" in message


def test_the_same_points_twice_in_a_split(root, tmp_path):
    frames = frames_of(root, "train")
    write_annotations(root, "train", [*frames, frames[1]])
    assert "frame 3: has the points 1.bin of frame 1" in refusal(root, tmp_path)


def test_a_split_without_objects(root, tmp_path):
    write_annotations(root, "test", frames_of(root, "test")[:1])
    message = refusal(root, tmp_path)
    assert "the split 'test' has no object among its 1 frames; give it annotations, or" in message
    assert "or remove the file: the validation split is then tested on" in message


def test_a_split_whose_objects_do_not_count(root, tmp_path):
    """Its evaluation would find that out after the training."""
    frames = frames_of(root, "val")
    for frame in frames:
        frame["instances"] = [instance(num_lidar_pts=0)]
    write_annotations(root, "val", frames)
    message = "'validation' has no object with a point of the LiDAR (`num_lidar_pts`) among its 2"
    assert message in refusal(root, tmp_path)


def test_frames_without_a_list_of_objects_are_named(root, tmp_path):
    frames = frames_of(root, "train")
    for frame in frames[1:]:
        del frame["instances"]
    write_annotations(root, "train", frames)
    message = refusal(root, tmp_path)
    assert "has 2 entries that cannot be used" in message
    assert "frame 1: needs a list `instances` of its objects, which is empty where" in message


def test_a_split_that_is_missing_and_one_that_is_a_pickle(root, tmp_path):
    path = root / "waymo_infos_val.json"
    path.unlink()
    message = refusal(root, tmp_path)
    assert "no annotation file for the split 'validation'; looked for" in message
    assert "waymo_infos_validation.json, waymo_infos_val.json; give it annotations" in message
    path.with_suffix(".pkl").write_bytes(b"")
    message = refusal(root, tmp_path)
    assert "mmengine.dump(mmengine.load(" in message
    assert "is a pickle and could run code" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read the annotation file"),
        ("[]", "no list `data_list` of frames"),
        ('{"data_list": []}', "has no frames; give it some"),
        ('{"data_list": [{}]}', "frame 0: needs `lidar_points` with `lidar_path`"),
    ],
)
def test_files_that_are_no_annotations(root, tmp_path, content, message):
    (root / "waymo_infos_train.json").write_text(content)
    assert message in refusal(root, tmp_path)


def test_changes_after_the_verification_are_noticed(root, tmp_path):
    folder = tmp_path / "verified"
    write_manifest(folder, verified(root, tmp_path))
    path = folder / "test.json"
    path.write_text(path.read_text().replace("Car", "Bus"))
    with pytest.raises(DataError, match=r"test\.json has changed since the data were verified"):
        open_lidar(folder)
    with pytest.raises(DataError, match=r"holds no verified data set .* polyrepro data verify"):
        open_lidar(tmp_path)


def test_drawn_scenes_are_the_same_every_time_and_disjoint(tmp_path):
    few = {"train": 3, "validation": 2, "test": 2}
    first = prepare_lidar_scenes(tmp_path / "a", few)
    assert prepare_lidar_scenes(tmp_path / "b", few) == first
    assert prepare_lidar_scenes(tmp_path / "a", few) == first  # replaced
    more = prepare_lidar_scenes(tmp_path / "b", few | {"train": 4})
    assert more["splits"]["test"] == first["splits"]["test"]
    assert prepare_lidar_scenes(tmp_path / "b", few, seed=1) != first
    clouds = [path.read_bytes() for path in (tmp_path / "a").rglob("*.bin")]
    assert len(set(clouds)) == 7
    write_manifest(tmp_path / "a", first)
    (tmp_path / "a").rename(tmp_path / "moved")
    data = open_lidar(tmp_path / "moved")
    assert (data.points["test"] / "0000001.bin").is_file()


def test_without_a_test_split_whole_segments_are_held_out(root, tmp_path):
    (root / "waymo_infos_test.json").unlink()
    assert "its frames are of one segment (`context_name`); give a test split" in refusal(
        root, tmp_path
    )
    frames = frames_of(root, "train")
    for frame, segment in zip(frames, "aba", strict=True):
        frame["context_name"] = segment
    write_annotations(root, "train", frames)
    manifest = verified(root, tmp_path)
    counts = {split: entry["images"] for split, entry in manifest["splits"].items()}
    assert counts == {"train": 2, "validation": 1, "test": 2}
    data = json.loads((tmp_path / "verified" / "validation.json").read_text())["data_list"]
    assert [frame["lidar_points"]["lidar_path"] for frame in data] == ["1.bin"]
