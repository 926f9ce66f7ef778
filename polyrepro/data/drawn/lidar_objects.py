"""The things of drawn LiDAR scenes, made of a few solids each."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from polyrepro.data.drawn.lidar_rays import Solid


@dataclass(frozen=True)
class Part:
    """A solid in its thing's own coordinates: x along the heading, z from the ground up."""

    kind: str
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    reflectance: float


@dataclass(frozen=True)
class Thing:
    """An object or a piece of clutter that stands upright on the ground.

    Attributes:
        kind: a class of the data, or a name of `CLUTTER`.
        size: length, width and height of its box, in metres.
        yaw: heading.
        x, y: where it stands.
    """

    kind: str
    size: tuple[float, float, float]
    yaw: float
    parts: tuple[Part, ...]
    x: float = 0.0
    y: float = 0.0

    def at(self, x: float, y: float) -> "Thing":
        """The same thing at another place."""
        return replace(self, x=x, y=y)

    def clear_of(self, other: "Thing", clearance: float) -> bool:
        """Whether the circles around both are so far apart, as seen from above.

        Long things, walls above all, count as rows of circles.
        """
        reach = (min(self.size[:2]) + min(other.size[:2])) / math.sqrt(2) + clearance
        return all(
            math.hypot(px - qx, py - qy) > reach for px, py in self._row for qx, qy in other._row
        )

    # Each candidate is compared with all things that stand already, hence the cache.
    @cached_property
    def _row(self) -> list[tuple[float, float]]:
        """Centres of circles that cover the thing."""
        long, short = max(self.size[:2]), min(self.size[:2])
        yaw = self.yaw if self.size[0] >= self.size[1] else self.yaw + math.pi / 2
        count = math.ceil(long / short)
        offsets = [(i - (count - 1) / 2) * long / count for i in range(count)]
        return [(self.x + o * math.cos(yaw), self.y + o * math.sin(yaw)) for o in offsets]

    def solids(self, owner: int, slope: tuple[float, float]) -> list[Solid]:
        """Its solids in the coordinates of the scene."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        base = slope[0] * self.x + slope[1] * self.y
        found = []
        for part in self.parts:
            px, py, pz = part.centre
            centre = (self.x + cos * px - sin * py, self.y + sin * px + cos * py, base + pz)
            found.append(Solid(part.kind, centre, part.half, self.yaw, owner, part.reflectance))
        return found

    def box(self, slope: tuple[float, float]) -> list[float]:
        """Centre x, y, z, length, width, height, heading."""
        base = slope[0] * self.x + slope[1] * self.y
        return [self.x, self.y, base + self.size[2] / 2, *self.size, self.yaw]


def _car(random: np.random.Generator, road: float) -> Thing:
    """A body and a cabin nearer to its rear; most cars go along the road, one way or the other."""
    length, width = random.normal(4.6, 0.25), random.normal(1.95, 0.08)
    height = random.normal(1.65, 0.12)
    if random.random() < 0.8:
        yaw = road + random.choice((0.0, math.pi)) + random.normal(0, 0.06)
    else:
        yaw = random.uniform(-math.pi, math.pi)
    paint, waist = random.uniform(0.2, 0.9), 0.55 * height
    cabin = random.uniform(0.45, 0.6) * length
    body = Part(
        "box",
        (0.0, 0.0, (0.2 + waist) / 2),
        (length / 2, width / 2, (waist - 0.2) / 2),
        paint,
    )
    roof = Part(
        "box",
        (-0.08 * length, 0.0, (waist + height) / 2),
        (cabin / 2, 0.44 * width, (height - waist) / 2),
        0.4 * paint,
    )
    return Thing("Car", (length, width, height), _wrapped(yaw), (body, roof))


def _pedestrian(random: np.random.Generator, road: float) -> Thing:
    """Two legs in a stride, a torso that is wider than deep, and a head a little forward."""
    height, stride = random.normal(1.72, 0.09), random.uniform(0.08, 0.3)
    clothes, half_width = random.uniform(0.15, 0.5), random.uniform(0.22, 0.3)
    hip = 0.48 * height
    legs = [
        Part("cylinder", (side * stride, side * 0.1, hip / 2), (0.09, 0.09, hip / 2), clothes)
        for side in random.permutation((-1, 1))[:1].repeat(2) * np.array((1, -1))
    ]
    torso = Part("ellipsoid", (0.0, 0.0, 0.66 * height), (0.16, half_width, 0.23 * height), clothes)
    head = Part("ellipsoid", (0.04, 0.0, height - 0.13), (0.11, 0.09, 0.13), 0.35)
    size = (2 * stride + 0.4, 2 * half_width + 0.2, height)
    return Thing("Pedestrian", size, random.uniform(-math.pi, math.pi), (*legs, torso, head))


def _pole(random: np.random.Generator, road: float) -> Thing:
    radius, height = random.uniform(0.06, 0.18), random.uniform(2.5, 6.0)
    part = Part("cylinder", (0.0, 0.0, height / 2), (radius, radius, height / 2), 0.5)
    return Thing("pole", (2 * radius, 2 * radius, height), 0.0, (part,))


def _tree(random: np.random.Generator, road: float) -> Thing:
    radius, trunk = random.uniform(0.12, 0.3), random.uniform(2.0, 3.5)
    crown, depth = random.uniform(1.2, 2.4), random.uniform(1.0, 1.8)
    parts = (
        Part("cylinder", (0.0, 0.0, trunk / 2), (radius, radius, trunk / 2), 0.25),
        Part("ellipsoid", (0.0, 0.0, trunk + 0.8 * depth), (crown, crown, depth), 0.35),
    )
    # People walk and cars park below its crown.
    return Thing("tree", (2 * radius, 2 * radius, trunk + 1.8 * depth), 0.0, parts)


def _bush(random: np.random.Generator, road: float) -> Thing:
    half = tuple(random.uniform((0.3, 0.3, 0.4), (1.2, 0.8, 0.9)))
    yaw = random.uniform(-math.pi, math.pi)
    part = Part("ellipsoid", (0.0, 0.0, 0.8 * half[2]), half, random.uniform(0.2, 0.45))
    return Thing("bush", (2 * half[0], 2 * half[1], 1.8 * half[2]), yaw, (part,))


def _bin(random: np.random.Generator, road: float) -> Thing:
    """Bins, boxes, cabinets: about as large as a person or as half a car."""
    size = tuple(random.uniform((0.4, 0.4, 0.8), (1.8, 1.2, 1.7)))
    part = Part(
        "box", (0.0, 0.0, size[2] / 2), tuple(s / 2 for s in size), random.uniform(0.1, 0.7)
    )
    return Thing("bin", size, road + random.normal(0, 0.3), (part,))


def _wall(random: np.random.Generator, road: float) -> Thing:
    """Fences, walls and fronts of houses, along the road or across it."""
    size = tuple(random.uniform((3.0, 0.2, 0.8), (12.0, 2.0, 5.0)))
    yaw = road + random.choice((0.0, math.pi / 2))
    part = Part(
        "box", (0.0, 0.0, size[2] / 2), tuple(s / 2 for s in size), random.uniform(0.1, 0.5)
    )
    return Thing("wall", size, yaw, (part,))


DRAWN: dict[str, Callable[[np.random.Generator, float], Thing]] = {
    "Car": _car,
    "Pedestrian": _pedestrian,
    "pole": _pole,
    "tree": _tree,
    "bush": _bush,
    "bin": _bin,
    "wall": _wall,
}
"""Kind to what draws one at the origin, given the direction of the road."""

CLUTTER = ("pole", "tree", "bush", "bin", "wall")


def _wrapped(angle: float) -> float:
    """The same angle in [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
