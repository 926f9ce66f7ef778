"""Drawing one LiDAR scene: cars, pedestrians and clutter on a street, seen by one sensor.

Everything about a scene follows from the random numbers that it is given. The scenes are drawn,
not recorded: shapes are a few boxes and ellipsoids, but occlusion, thinning with distance and the
rarity of objects among anchors are those of real sweeps.
"""

import math
from dataclasses import dataclass

import numpy as np

from polyrepro.data.drawn.lidar_objects import CLUTTER, DRAWN, Thing
from polyrepro.data.drawn.lidar_rays import DIRECTIONS, FARTHEST, GROUND, HEIGHT, SECTOR, cast_rays

CLASSES = ("Car", "Pedestrian")
"""Spelt as in MMDetection3D's layout of Waymo's data."""
COUNTS = {"Car": (3, 9), "Pedestrian": (3, 9), "clutter": (8, 18)}
"""Fewest and most of each kind that are placed in a scene."""
NEAREST, RANGE = 5.0, 40.0
"""Things stand at these distances from the sensor, in metres."""
HALF_WIDTH = 19.0
"""Objects stand at most so far to the left or right, in metres, inside a detector's square."""
ATTEMPTS = 20
CLEARANCE = 0.3
"""Between the circles around two things, in metres."""
RANGE_NOISE = 0.02
"""Standard deviation of a range, in metres."""
LOST = (0.04, 0.20)
"""Share of returns that are lost, near the sensor and at the farthest range."""


@dataclass(frozen=True)
class LidarScene:
    """A drawn scene.

    Attributes:
        points: float32, (n, 4): x, y, z in metres and intensity in [0, 1].
        boxes: float64, (objects, 7): centre x, y, z, length, width, height, heading.
        labels: position in `CLASSES` per box.
        points_in_box: returns from each object; at least one, or it has no box.
        owners: per point the row of its object in `boxes`; -1 for everything else.
    """

    points: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    points_in_box: np.ndarray
    owners: np.ndarray


def draw_scene(random: np.random.Generator) -> LidarScene:
    """Draw one scene."""
    slope = tuple(random.normal(0, 0.008, 2))
    things = _place(random)
    solids, boxes, labels = [], [], []
    for number, thing in enumerate(things):
        solids += thing.solids(number, slope)
        if thing.kind in CLASSES:
            boxes.append(thing.box(slope))
            labels.append(CLASSES.index(thing.kind))
        else:
            boxes.append([math.nan] * 7)
            labels.append(-1)
    returns = cast_rays(slope, random.uniform(0.08, 0.25), solids)
    seen = _returned(returns.ranges, random)
    ranges = returns.ranges[seen]
    ranges = ranges + random.normal(0, RANGE_NOISE, ranges.shape)
    intensity = returns.reflectances[seen] * np.exp(-ranges / 60)
    intensity = np.clip(intensity + random.normal(0, 0.02, ranges.shape), 0, 1)
    points = np.stack([*(DIRECTIONS[:, seen] * ranges), intensity], 1)
    points[:, 2] += HEIGHT
    return _with_boxes(
        points.astype(np.float32), returns.owners[seen], np.array(boxes), np.array(labels)
    )


def _with_boxes(
    points: np.ndarray, owners: np.ndarray, boxes: np.ndarray, labels: np.ndarray
) -> LidarScene:
    """The scene with boxes for those objects only that returned at least one point."""
    counts = np.bincount(owners[owners != GROUND], minlength=len(labels))
    kept = np.flatnonzero((labels >= 0) & (counts > 0))
    row_of = np.full(len(labels) + 1, -1)  # the ground's number, -1, is the last entry
    row_of[kept] = np.arange(len(kept))
    return LidarScene(points, boxes[kept], labels[kept], counts[kept], row_of[owners])


def _returned(ranges: np.ndarray, random: np.random.Generator) -> np.ndarray:
    share = LOST[0] + (LOST[1] - LOST[0]) * np.minimum(ranges, FARTHEST) / FARTHEST
    return (ranges < FARTHEST) & (random.random(ranges.shape) >= share)


def _place(random: np.random.Generator) -> list[Thing]:
    """Things of all kinds, none of which stands in another; objects before clutter."""
    road = random.uniform(-math.pi, math.pi)
    things: list[Thing] = []
    for kind, (fewest, most) in COUNTS.items():
        for _ in range(random.integers(fewest, most + 1)):
            name = random.choice(CLUTTER) if kind == "clutter" else kind
            for _ in range(ATTEMPTS):
                thing = DRAWN[name](random, road).at(*_position(random))
                inside = kind == "clutter" or abs(thing.y) <= HALF_WIDTH
                if inside and all(thing.clear_of(other, CLEARANCE) for other in things):
                    things.append(thing)
                    break
    return things


def _position(random: np.random.Generator) -> tuple[float, float]:
    """Uniform over distance, so that near objects are as frequent as far ones."""
    distance = random.uniform(NEAREST, RANGE)
    azimuth = math.radians(random.uniform(-SECTOR / 2 + 2, SECTOR / 2 - 2))
    return distance * math.cos(azimuth), distance * math.sin(azimuth)
