"""Drawn LiDAR scenes: geometry of the rays, and what a detector relies on."""

import math

import numpy as np
import pytest

from polyrepro.data.drawn.lidar_drawing import CLASSES, draw_scene
from polyrepro.data.drawn.lidar_rays import (
    BEAMS,
    DIRECTIONS,
    FARTHEST,
    GROUND,
    HEIGHT,
    Solid,
    cast_rays,
)
from polyrepro.data.lidar.boxes import iou_3d


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(np.random.default_rng([3, number])) for number in range(25)]


def hits(*solids, slope=(0.0, 0.0)):
    """Points that rays hit, (3, n), and their owners."""
    returns = cast_rays(slope, 0.2, list(solids))
    seen = returns.ranges < FARTHEST
    points = DIRECTIONS[:, seen] * returns.ranges[seen]
    points[2] += HEIGHT
    return points, returns.owners[seen]


def solid(kind, x=12.0, y=3.0, z=1.0, half=(2.0, 0.8, 0.9), yaw=0.7, owner=5):
    return Solid(kind, (x, y, z), half, yaw, owner, 0.5)


def own_coordinates(points, thing):
    moved = points - np.array(thing.centre)[:, None]
    cos, sin = math.cos(thing.yaw), math.sin(thing.yaw)
    x, y = cos * moved[0] + sin * moved[1], cos * moved[1] - sin * moved[0]
    return np.stack([x, y, moved[2]]) / np.array(thing.half)[:, None]


SURFACES = {
    "box": lambda p: np.abs(p).max(0),
    "ellipsoid": lambda p: np.sqrt((p**2).sum(0)),
    "cylinder": lambda p: np.maximum(np.hypot(p[0], p[1]), np.abs(p[2])),
}


@pytest.mark.parametrize("kind", SURFACES)
def test_rays_end_on_the_surface_on_the_side_of_the_sensor(kind):
    thing = solid(kind)
    points, owners = hits(thing)
    on = points[:, owners == 5]
    assert on.shape[1] > 300
    assert SURFACES[kind](own_coordinates(on, thing)) == pytest.approx(1, abs=1e-6)
    nearer = on - 1e-3 * (on - np.array([[0], [0], [HEIGHT]]))
    assert (SURFACES[kind](own_coordinates(nearer, thing)) > 1).all()


def test_every_ray_that_could_hit_is_tried():
    """Against a sphere, for which the rays that hit are those near its centre's direction."""
    thing = solid("ellipsoid", z=1.5, half=(1.1, 1.1, 1.1))
    centre = np.array([12.0, 3.0, 1.5 - HEIGHT])
    cosine = np.tensordot(centre, DIRECTIONS, 1) / np.linalg.norm(centre)
    expected = cosine > math.sqrt(1 - 1.1**2 / (centre @ centre))
    assert ((cast_rays((0, 0), 0.2, [thing]).owners == 5) == expected).all()


def test_the_ground_is_where_it_should_be_and_things_throw_shadows():
    points, owners = hits(slope=(0.02, -0.01))
    assert points[2] == pytest.approx(0.02 * points[0] - 0.01 * points[1], abs=1e-9)
    assert (owners == GROUND).all()
    before, _ = hits()
    wall = solid("box", x=10.0, y=0.0, half=(0.1, 30.0, 3.0), yaw=0.0, z=3.0)
    behind, owners = hits(wall)
    assert (before[0] > 11).any()
    assert not (behind[0] > 10.2).any()


def test_points_of_an_object_lie_in_its_box_and_are_counted(scenes):
    for scene in scenes:
        for row, box in enumerate(scene.boxes):
            points = scene.points[scene.owners == row, :3].astype(float)
            assert len(points) == scene.points_in_box[row] > 0
            moved = points - box[:3]
            cos, sin = math.cos(box[6]), math.sin(box[6])
            along = np.abs(cos * moved[:, 0] + sin * moved[:, 1])
            across = np.abs(cos * moved[:, 1] - sin * moved[:, 0])
            assert (along < box[3] / 2 + 0.1).all()  # five standard deviations of a range
            assert (across < box[4] / 2 + 0.1).all()
            assert (np.abs(moved[:, 2]) < box[5] / 2 + 0.1).all()


def test_objects_do_not_overlap(scenes):
    for scene in scenes:
        overlap = iou_3d(scene.boxes, scene.boxes)
        np.fill_diagonal(overlap, 0)
        assert overlap.max(initial=0) == 0


def test_density_and_balance_are_those_of_a_sweep(scenes):
    counts = [len(scene.points) for scene in scenes]
    assert 14_000 < np.mean(counts) < 22_000
    assert max(counts) <= BEAMS * 360
    labels = np.concatenate([scene.labels for scene in scenes])
    per_scene = np.bincount(labels, minlength=len(CLASSES)) / len(scenes)
    assert (per_scene > 2.5).all()
    points = np.concatenate([scene.points_in_box for scene in scenes])
    assert 0.01 < (points <= 5).mean() < 0.3  # Waymo's level 2
    assert 0.3 < np.mean(np.concatenate([np.cos(s.boxes[:, 6]) for s in scenes]) > 0) < 0.7


def test_a_scene_follows_from_its_numbers_alone():
    one, same, other = (draw_scene(np.random.default_rng([3, n])) for n in (7, 7, 8))
    assert (one.points == same.points).all()
    assert (one.boxes == same.boxes).all()
    assert len(one.points) != len(other.points)
    assert np.isfinite(one.points).all()
    assert one.points.dtype == np.float32
    assert 0 <= one.points[:, 3].min() <= one.points[:, 3].max() <= 1
