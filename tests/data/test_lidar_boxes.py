import math

import numpy as np
import pytest

from polyrepro.data.lidar.boxes import corners_from_above, iou_3d, with_centre


def box(x=0.0, y=0.0, z=0.0, length=4.0, width=2.0, height=1.0, heading=0.0):
    return [x, y, z, length, width, height, heading]


CUT = 4 - 2 * (math.sqrt(2) - 1) ** 2
"""Area of a square of side 2, turned by an eighth, within a strip of width 2."""


@pytest.mark.parametrize(
    ("other", "value"),
    [
        (box(), 1.0),
        (box(heading=math.pi), 1.0),
        (box(heading=math.pi / 2), 4 / 12),
        (box(heading=math.pi / 4, length=2.0), CUT / (8 + 4 - CUT)),
        (box(x=1.0), 3 / 5),
        (box(z=0.5), 0.5 / 1.5),
        (box(z=1.0), 0.0),
        (box(x=4.1), 0.0),
        (box(length=0.01), 0.0),
    ],
)
def test_intersection_over_union(other, value):
    assert iou_3d([box()], [other]) == pytest.approx(np.array([[value]]), abs=1e-6)


def test_against_counted_points():
    random = np.random.default_rng(0)
    first, second = random.uniform([-1, -1, -0.5, 1, 1, 1, -4], [1, 1, 0.5, 4, 3, 2, 4], (2, 12, 7))
    points = random.uniform(-4, 4, (200_000, 3))
    inside = [np.array([_within(points, b) for b in boxes]) for boxes in (first, second)]
    both = (inside[0][:, None] & inside[1][None]).sum(-1)
    either = (inside[0][:, None] | inside[1][None]).sum(-1)
    assert iou_3d(first, second) == pytest.approx(both / either, abs=0.03)


def _within(points, one):
    moved = points - one[:3]
    cos, sin = math.cos(one[6]), math.sin(one[6])
    along, across = (
        cos * moved[:, 0] + sin * moved[:, 1],
        cos * moved[:, 1] - sin * moved[:, 0],
    )
    return (
        (np.abs(along) <= one[3] / 2)
        & (np.abs(across) <= one[4] / 2)
        & (np.abs(moved[:, 2]) <= one[5] / 2)
    )


def test_corners_go_around_from_the_front_left():
    corners = corners_from_above(np.array([box(x=1.0, heading=math.pi / 2)]))[0]
    assert corners == pytest.approx(np.array([[0, 2], [2, 2], [2, -2], [0, -2]]))


def test_mmdetection3d_has_the_bottom_where_waymo_has_the_centre():
    assert with_centre(np.array([box(z=-0.5)]))[0] == pytest.approx(np.array(box()))
