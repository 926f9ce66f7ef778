"""Ray casting for drawn LiDAR scenes: a sensor's rays against ground and simple solids.

Coordinates are those of a vehicle: x forward, y left, z up, metres, the ground near z = 0; angles
are counter-clockwise around z. The sensor sits on the roof and sees a sector ahead.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

BEAMS, LOWEST, HIGHEST = 64, -17.6, 2.4
"""Number of beams and their inclinations in degrees, as the top LiDAR of Waymo's cars has them."""
STEP, SECTOR = 0.25, 90.0
"""Azimuth between two columns of rays, and the sector that they fill, in degrees."""
HEIGHT = 2.0
"""Of the sensor above the ground, in metres."""
FARTHEST = 45.0
"""Range in metres beyond which nothing returns."""
GROUND = -1
"""Who owns a ray that hits the ground; solids have numbers from 0 on."""

AZIMUTHS = np.radians(np.arange(SECTOR / 2 - STEP / 2, -SECTOR / 2, -STEP))
INCLINATIONS = np.radians(np.linspace(HIGHEST, LOWEST, BEAMS))
DIRECTIONS = np.stack(
    [
        np.outer(np.cos(INCLINATIONS), np.cos(AZIMUTHS)),
        np.outer(np.cos(INCLINATIONS), np.sin(AZIMUTHS)),
        np.outer(np.sin(INCLINATIONS), np.ones_like(AZIMUTHS)),
    ]
)
"""Unit vectors of the rays, (3, beams, columns), from the highest beam and the leftmost column."""


@dataclass(frozen=True)
class Solid:
    """An upright box, elliptic cylinder or ellipsoid.

    Attributes:
        centre: x, y, z.
        half: half of its length, width and height; the length points to `yaw`.
        owner: number of the object that it is a part of.
        reflectance: in [0, 1].
    """

    kind: Literal["box", "cylinder", "ellipsoid"]
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    yaw: float
    owner: int
    reflectance: float


@dataclass(frozen=True)
class Returns:
    """What the rays hit first; all of shape (beams, columns).

    Attributes:
        ranges: metres; infinite where nothing is hit.
        owners: number of the object that is hit; `GROUND` for the ground.
        reflectances: of what is hit.
    """

    ranges: np.ndarray
    owners: np.ndarray
    reflectances: np.ndarray


def cast_rays(
    slope: tuple[float, float], ground_reflectance: float, solids: list[Solid]
) -> Returns:
    """The first thing that each ray hits.

    Args:
        slope: rise of the ground per metre of x and of y.
        solids: none of which contains the sensor.
    """
    descent = slope[0] * DIRECTIONS[0] + slope[1] * DIRECTIONS[1] - DIRECTIONS[2]
    ranges = np.where(descent > 0, HEIGHT / np.maximum(descent, 1e-9), np.inf)
    owners = np.full(ranges.shape, GROUND)
    reflectances = np.full(ranges.shape, ground_reflectance)
    for solid in solids:
        window = _window(solid)
        distance = _distance(solid, DIRECTIONS[:, *window])
        nearer = distance < ranges[window]
        ranges[window][nearer] = distance[nearer]
        owners[window][nearer] = solid.owner
        reflectances[window][nearer] = solid.reflectance
    return Returns(ranges, owners, reflectances)


def _window(solid: Solid) -> tuple[slice, slice]:
    """Beams and columns that can hit a solid: those that hit the cylinder around it."""
    x, y, z = solid.centre
    distance, radius = math.hypot(x, y), math.hypot(*solid.half[:2])
    if distance <= radius:
        return slice(None), slice(None)
    azimuth, spread = math.atan2(y, x), math.asin(radius / distance)
    # The lowest and highest rays pass at the near or at the far side of the cylinder.
    sides = distance - radius, distance + radius
    bottom = min(math.atan2(z - solid.half[2] - HEIGHT, side) for side in sides)
    top = max(math.atan2(z + solid.half[2] - HEIGHT, side) for side in sides)
    return (
        _span(-INCLINATIONS, -top, -bottom),
        _span(-AZIMUTHS, -azimuth - spread, -azimuth + spread),
    )


def _span(values: np.ndarray, low: float, high: float) -> slice:
    """Where rising values lie within [low, high]."""
    return slice(*(int(np.searchsorted(values, edge)) for edge in (low, high)))


def _distance(solid: Solid, directions: np.ndarray) -> np.ndarray:
    """Metres along rays until they enter the solid; infinite where they miss it."""
    half = np.array(solid.half)
    cos, sin = math.cos(solid.yaw), math.sin(solid.yaw)
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]) / half[:, None]
    # The solid's own coordinates, in which it is a cube, cylinder or ball of radius 1.
    origin = turn @ (np.array([0.0, 0.0, HEIGHT]) - np.array(solid.centre))
    rays = np.tensordot(turn, directions, 1)
    enters, leaves = _INTERVALS[solid.kind](origin, rays)
    return np.where((enters <= leaves) & (enters > 0), enters, np.inf)


def _slab(origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays lie within [-1, 1] in all of the given coordinates."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = (np.array([-1.0, 1.0])[:, None] - origin)[..., None, None] / rays
    return sides.min(0).max(0), sides.max(0).min(0)


def _round(origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays lie within the unit ball (or disc) of the given coordinates."""
    squared = (rays**2).sum(0)
    along = np.tensordot(origin, rays, 1) / squared
    inside = along**2 - (origin @ origin - 1) / squared
    reach = np.sqrt(np.maximum(inside, 0))
    return np.where(inside > 0, -along - reach, np.inf), -along + reach


def _cylinder(origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    within, between = _round(origin[:2], rays[:2]), _slab(origin[2:], rays[2:])
    return np.maximum(within[0], between[0]), np.minimum(within[1], between[1])


_INTERVALS = {"box": _slab, "cylinder": _cylinder, "ellipsoid": _round}
