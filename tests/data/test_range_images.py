"""Range images: a pixel per ray, labels from boxes, and points of other sensors."""

import dataclasses
import json

import numpy as np
import pytest

from polyrepro.data.drawn.lidar_drawing import CLASSES, draw_scene
from polyrepro.data.drawn.lidar_rays import BEAMS, DIRECTIONS, FARTHEST, HEIGHT
from polyrepro.data.drawn.lidar_scenes import SEED, prepare_lidar_scenes
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.lidar_format import open_lidar
from polyrepro.data.lidar.range_images import COLUMNS, pixels_of, range_images
from polyrepro.data.manifests import write_manifest

FEW = {"train": 6, "validation": 1, "test": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lidar_scenes")
    write_manifest(folder, prepare_lidar_scenes(folder, FEW))
    return open_lidar(folder)


@pytest.fixture(scope="module")
def scenes():
    """The same scenes as drawn, with the owner of each point."""
    return [draw_scene(np.random.default_rng([SEED, 0, n])) for n in range(FEW["train"])]


def test_each_point_has_a_pixel_of_its_own_with_its_range_height_and_intensity(data, scenes):
    made = range_images(data, "train")
    assert made.images.shape == (FEW["train"], 3, BEAMS, COLUMNS)
    assert made.names == tuple(f"{number:07d}.bin" for number in range(FEW["train"]))
    for image, label, scene in zip(made.images, made.labels, scenes, strict=True):
        returned = label >= 0
        assert returned.sum() == len(scene.points)
        assert (image[:, ~returned] == 0).all()
        # Rows of the file are in the order of the rays, from the highest beam and the left.
        lifted = scene.points[:, :3] - [0, 0, HEIGHT]
        ranges = np.linalg.norm(lifted, axis=1)
        expected = np.stack([ranges / FARTHEST, scene.points[:, 2], scene.points[:, 3]])
        np.testing.assert_allclose(image[:, returned], expected, atol=1e-5)
        directions = (lifted / ranges[:, None]).T
        np.testing.assert_allclose(DIRECTIONS[:, returned], directions, atol=1e-4)


def test_labels_are_the_objects_that_the_rays_hit_but_for_feet_on_the_ground(data, scenes):
    owners = np.concatenate([np.where(s.owners >= 0, s.labels[s.owners] + 1, 0) for s in scenes])
    labels = range_images(data, "train").labels
    found = np.concatenate([label[label >= 0] for label in labels])
    wrong = found != owners
    points = np.concatenate([scene.points for scene in scenes])
    assert np.unique(owners).tolist() == [0, 1, 2] and len(CLASSES) == 2
    # Nothing else counts as an object, and what is lost is less than a tenth of a metre high.
    assert (found[wrong] == 0).all() and wrong.sum() < 0.1 * (owners == 2).sum()
    assert (points[wrong, 2] < 0.7).all()


def test_points_of_another_sensor_are_refused_with_their_file(tmp_path):
    points = np.array([[10.0, 0.011, 1.0], [-3.0, 0.0, 1.0], [5.0, 0.0, 9.0]], np.float32)
    with pytest.raises(DataError, match=r"sweep\.bin: [23] of 3 points lie on no ray of the .*"):
        pixels_of(points, tmp_path / "sweep.bin")


def test_a_scene_without_points_or_objects_is_an_empty_image(data, tmp_path):
    (tmp_path / "0000000.bin").write_bytes(b"")
    frames = json.loads(data.annotations["test"].read_text())
    frames["data_list"][0]["instances"] = []
    (tmp_path / "test.json").write_text(json.dumps(frames))
    empty = dataclasses.replace(
        data, annotations={"test": tmp_path / "test.json"}, points={"test": tmp_path}
    )
    made = range_images(empty, "test")
    assert (made.images == 0).all() and (made.labels == -1).all()
