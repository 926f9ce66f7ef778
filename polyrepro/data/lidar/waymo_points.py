"""From the range images of Waymo's LiDARs to points, as Waymo's own conversion computes them.

A range image has a row per beam, from the highest on, and a column per azimuth, from the left of
behind through ahead. The LiDAR on the roof turns while the car moves, so each of its pixels has a
pose of its own.
"""

import numpy as np


def points_of(
    image: np.ndarray,
    extrinsic: np.ndarray,
    inclinations: np.ndarray,
    poses: np.ndarray | None = None,
    vehicle_pose: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Points of one return of one sensor, in the coordinates of the vehicle.

    Args:
        image: (rows, columns, 4): range in metres, or 0 or less where nothing returned; intensity;
            elongation; whether the point lies in a zone without labels.
        extrinsic: (4, 4), from the sensor to the vehicle.
        inclinations: (rows,) of the beams in radians, from the lowest on.
        poses: (rows, columns, 6): roll, pitch, yaw, x, y, z of the vehicle in the world when the
            pixel was measured; None if all were measured at once.
        vehicle_pose: (4, 4), from the vehicle to the world at the time of the frame; with `poses`.

    Returns:
        x, y, z, intensity and elongation (n, 5), and the position of each point's pixel (n,). Zones
        without labels are left out.
    """
    columns = image.shape[1]
    correction = np.arctan2(extrinsic[1, 0], extrinsic[0, 0])
    azimuth = (2 * (np.arange(columns, 0, -1) - 0.5) / columns - 1) * np.pi - correction
    inclination = inclinations[::-1, None]
    directions = np.stack(
        np.broadcast_arrays(
            np.cos(azimuth) * np.cos(inclination),
            np.sin(azimuth) * np.cos(inclination),
            np.sin(inclination),
        ),
        -1,
    )
    seen = (image[..., 0] > 0) & (image[..., 3] != 1)
    points = directions[seen] * image[seen, :1]
    points = points @ extrinsic[:3, :3].T + extrinsic[:3, 3]
    if poses is not None:
        turned = np.einsum("nij,nj->ni", _rotations(poses[seen, :3]), points) + poses[seen, 3:]
        world = np.linalg.inv(vehicle_pose)
        points = turned @ world[:3, :3].T + world[:3, 3]
    return np.concatenate([points, image[seen, 1:3]], 1), np.flatnonzero(seen)


def uniform_inclinations(lowest: float, highest: float, rows: int) -> np.ndarray:
    """Inclinations of beams of which only the lowest and the highest edge are known."""
    return lowest + (np.arange(rows) + 0.5) / rows * (highest - lowest)


def _rotations(angles: np.ndarray) -> np.ndarray:
    """Rotation matrices (n, 3, 3) for roll, pitch and yaw (n, 3): around x, then y, then z."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(angles).T, np.sin(angles).T
    return np.stack(
        [
            np.stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr], -1),
            np.stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr], -1),
            np.stack([-sp, cp * sr, cp * cr], -1),
        ],
        -2,
    )
