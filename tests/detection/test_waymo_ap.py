"""AP and APH against Waymo's own operator, whose values scripts/make_waymo_ap_cases.py recorded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.lidar.waymo_ap import (
    Found,
    Objects,
    level_of,
    metrics_of,
    waymo_ap,
    waymo_counts,
)

CASES = np.load(Path(__file__).with_name("waymo_ap_cases.npz"))
NAMES = sorted({key.split("/")[0] for key in CASES})
CLASSES = ("vehicle", "pedestrian", "cyclist")


def case(name):
    def arrays(prefix, *names):
        return [CASES[f"{name}/{prefix}_{key}"] for key in names]

    found = Found(*arrays("found", "frames", "labels", "boxes", "scores"))
    objects = Objects(*arrays("object", "frames", "labels", "boxes", "levels"))
    return found, objects, CASES[f"{name}/expected"]


@pytest.mark.parametrize("name", [name for name in NAMES if len(case(name)[1].labels)])
def test_values_of_waymos_operator(name):
    found, objects, expected = case(name)
    metrics = waymo_ap(found, objects, CLASSES)
    values = [
        [[metrics.get(f"{name}_{kind}_l{level}", 0) for kind in ("ap", "aph")] for level in (1, 2)]
        for name in CLASSES
    ]
    assert np.array(values) / 100 == pytest.approx(expected, abs=1e-6)


def test_counts_of_single_frames_give_the_metrics_of_any_set_of_frames():
    """Two frames twice and the others once, from the counts, and from boxes of copied frames."""
    found, objects, _ = case("crowded")
    frames = np.unique(objects.frames)
    counts = waymo_counts(found, objects, CLASSES, frames)
    twice = np.where(np.isin(frames, frames[:2]), 2, 1)
    copied = []
    for part in (found, objects):
        again = np.isin(part.frames, frames[:2])
        values = {name: np.concatenate([value, value[again]]) for name, value in vars(part).items()}
        values["frames"] = values["frames"].astype(int)
        values["frames"][len(part.frames) :] += 1000
        copied.append(type(part)(**values))
    expected = waymo_ap(*copied, CLASSES)
    weighted = {name: of * twice[:, None, None] for name, of in counts.items()}
    assert metrics_of(weighted) == pytest.approx(expected)
    assert metrics_of(counts) == waymo_ap(found, objects, CLASSES) != expected


def test_frames_in_which_nothing_is_count_nothing():
    found, objects, _ = case("crowded")
    frames = np.arange(-3, 40)
    counts = waymo_counts(found, objects, CLASSES, frames)
    assert all(of.shape == (43, 5, 101) and not of[:3].any() for of in counts.values())
    assert metrics_of(counts) == waymo_ap(found, objects, CLASSES)


def test_the_cases_tell_levels_headings_and_matchings_apart():
    expected = np.array([case(name)[2] for name in NAMES])
    assert (expected[..., 0, 0] > expected[..., 1, 0]).sum() > 10  # level 1 above level 2
    assert (expected[..., 0] > expected[..., 1]).sum() > 20  # AP above APH
    assert ((expected > 0) & (expected < 1)).sum() > 80


def test_order_of_boxes_and_names_of_frames_do_not_matter():
    found, objects, _ = case("crowded")
    metrics = waymo_ap(found, objects, CLASSES)
    order = np.random.default_rng(0).permutation(len(found.labels))
    shuffled = Found(*(value[order] for value in vars(found).values()))
    name = np.array([f"segment {frame}" for frame in range(9)])
    shuffled = replace(shuffled, frames=name[shuffled.frames])
    renamed = replace(objects, frames=name[objects.frames])
    assert waymo_ap(shuffled, renamed, CLASSES) == pytest.approx(metrics)


def test_metrics_in_per_cent_and_their_means():
    found, objects, expected = case("one_class_missing")
    metrics = waymo_ap(found, objects, ("Car", "Pedestrian", "Cyclist"))
    assert metrics["vehicle_ap_l1"] == pytest.approx(100 * expected[0, 0, 0], abs=1e-3)
    assert metrics["cyclist_aph_l2"] == pytest.approx(100 * expected[2, 1, 1], abs=1e-3)
    assert "pedestrian_ap_l1" not in metrics  # there is none
    assert metrics["ap_l2"] == pytest.approx(50 * expected[[0, 2], 1, 0].sum(), abs=1e-3)


def objects_of(*boxes, labels=None):
    count = len(boxes)
    boxes = np.array(boxes, float).reshape(count, 7)
    return Objects(np.zeros(count), np.zeros(count, int), boxes, np.ones(count, int))


CAR = [10.0, 0.0, 1.0, 4.0, 2.0, 1.5, 0.0]


def test_one_of_two_objects_found_by_hand():
    objects = objects_of(CAR, [20.0, *CAR[1:]])
    found = Found(np.zeros(1), np.zeros(1, int), np.array([CAR]), np.array([0.5]))
    found.boxes[0, 6] = np.pi / 2 * 0.1
    metrics = waymo_ap(found, objects, ["Car"])
    # Precision is 1 up to a recall of one half; the heading is right to nineteen twentieths.
    assert metrics["vehicle_ap_l1"] == pytest.approx(50)
    assert metrics["vehicle_aph_l1"] == pytest.approx(0.95 * 50)


@pytest.mark.parametrize(("shift", "value"), [(0.6, 100.0), (0.8, 0.0)])
def test_vehicles_need_seven_tenths_of_the_volume(shift, value):
    # A shift s along a length of 4 leaves (4 - s) / (4 + s).
    moved = np.array([[CAR[0] + shift, *CAR[1:]]])
    found = Found(np.zeros(1), np.zeros(1, int), moved, np.ones(1))
    assert waymo_ap(found, objects_of(CAR), ["vehicle"])["ap_l1"] == pytest.approx(value)


def test_levels_are_stated_or_follow_from_the_points():
    assert level_of(np.array([1, 5, 6, 1, 90]), np.array([0, 0, 0, 1, 2])).tolist() == [
        *(2, 2, 1, 1, 2)
    ]


NOTHING = Found(np.zeros(0), np.zeros(0, int), np.zeros((0, 7)), np.zeros(0))


@pytest.mark.parametrize(
    ("found", "objects", "classes", "message"),
    [
        (NOTHING, objects_of(CAR), ["Tram"], "know no class 'Tram'; name it as one of vehicle,"),
        (NOTHING, objects_of(), ["Car"], "no object to be found"),
        (
            NOTHING,
            replace(objects_of(CAR), boxes=np.full((1, 7), np.nan)),
            ["Car"],
            "objects.boxes is not finite in row 0; leave that box out",
        ),
        (
            replace(NOTHING, boxes=np.zeros((0, 9))),
            objects_of(CAR),
            ["Car"],
            r"found.boxes has shape \(0, 9\) instead of \(0, 7\)",
        ),
        (
            NOTHING,
            replace(objects_of(CAR), labels=np.ones(1, int)),
            ["Car"],
            "objects.labels must be positions in the list of 1 classes, got 1 to 1",
        ),
        (
            NOTHING,
            replace(objects_of(CAR), levels=np.zeros(1, int)),
            ["Car"],
            "objects.levels must be 1 or 2; `level_of` makes them",
        ),
        (
            Found(np.zeros(1), np.zeros(1, int), np.array([CAR]), np.array([1.5])),
            objects_of(CAR),
            ["Car"],
            r"found.scores must lie in \[0, 1\]",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_refused(found, objects, classes, message):
    with pytest.raises(DetectionError, match=message):
        waymo_ap(found, objects, classes)
