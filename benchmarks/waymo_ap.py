"""Time of Waymo's metric, beside the definition written as loops.

    .venv/bin/python benchmarks/waymo_ap.py [--frames 100] [--boxes 60] [--rounds 3]

At each of a hundred and one score cutoffs the loops match what was found in a frame with its
objects anew, with overlaps of pairs of boxes by shapely, one pair after the other. Ours compares
boxes once per frame, and matches them again only where a cutoff takes another box away. Both have
to count the same. The ratio of medians is given: above 1, ours is faster.
"""

import argparse
import statistics
import time

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment

from polyrepro.data.lidar.boxes import corners_from_above
from polyrepro.data.lidar.waymo_curves import COUNTS, CUTOFFS
from polyrepro.detection.lidar.waymo_ap import LEAST_IOU, Found, Objects, waymo_counts

FIELD = 150.0
SIZE = np.array([4.6, 2.0, 1.7])
OBJECTS = 20
COUNTED = [COUNTS.index(name) for name in ("right", "wrong", "missed_l2")]


def scene(frames: int, boxes: int) -> tuple[Found, Objects]:
    """Vehicles on a field, of which most are found, some twice, among boxes that are wrong."""
    random = np.random.default_rng(0)
    place = random.uniform([0, 0, 0, -3], [FIELD, FIELD, 0.1, 3], (frames, OBJECTS, 4))
    owner = random.integers(0, OBJECTS, (frames, boxes // 2))
    near = np.take_along_axis(place, owner[..., None], 1) + random.normal(0, 0.1, (*owner.shape, 4))
    far = random.uniform([0, 0, 0, -3], [FIELD, FIELD, 1, 3], (frames, boxes - boxes // 2, 4))
    there, found = (_boxes(part) for part in (place, np.concatenate([near, far], 1)))
    numbers = [np.repeat(np.arange(frames), len(part) // frames) for part in (found, there)]
    labels = [np.zeros(len(part), int) for part in (found, there)]
    scores = random.uniform(0, 1, len(found)).astype(np.float32)
    return (
        Found(numbers[0], labels[0], found, scores),
        Objects(numbers[1], labels[1], there, np.full(len(there), 1)),
    )


def _boxes(places: np.ndarray) -> np.ndarray:
    flat = places.reshape(-1, 4)
    return np.hstack([flat[:, :3], np.tile(SIZE, (len(flat), 1)), flat[:, 3:]])


def loops(found: Found, objects: Objects) -> np.ndarray:
    """Right, wrong and missed boxes by cutoff, summed over the frames."""
    totals = np.zeros((3, len(CUTOFFS)))
    for frame in np.unique(objects.frames):
        rows, columns = found.frames == frame, objects.frames == frame
        boxes, there = found.boxes[rows], objects.boxes[columns]
        overlap = np.array([[_overlap(a, b) for b in there] for a in boxes])
        for place, cutoff in enumerate(CUTOFFS):
            kept = overlap[found.scores[rows] >= cutoff]
            gain = np.where(kept >= LEAST_IOU["vehicle"], kept, 0)
            pairs = linear_sum_assignment(gain, maximize=True)
            right = (gain[pairs] > 0).sum()
            totals[:, place] += right, len(kept) - right, len(there) - right
    return totals


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    pair = first, second
    one, other = (shapely.Polygon(corners_from_above(box[None])[0]) for box in pair)
    top = min(box[2] + box[5] / 2 for box in pair)
    bottom = max(box[2] - box[5] / 2 for box in pair)
    volume = one.intersection(other).area * max(0.0, top - bottom)
    return volume / (first[3:6].prod() + second[3:6].prod() - volume)


def seconds(function, *arguments: object) -> float:
    begin = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--boxes", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    data = scene(options.frames, options.boxes)

    def ours(found: Found, objects: Objects) -> np.ndarray:
        counts = waymo_counts(found, objects, ("vehicle",), np.arange(options.frames))
        return counts["vehicle"].sum(0)[COUNTED]

    if not np.array_equal(ours(*data), loops(*data)):
        raise SystemExit("not the counts of the loops")
    times = [(seconds(ours, *data), seconds(loops, *data)) for _ in range(options.rounds)]
    mine, theirs = (statistics.median(part) for part in zip(*times, strict=True))
    each = 1000 / options.frames
    print(
        f"{options.frames} frames with {options.boxes} boxes and {OBJECTS} objects: "
        f"{each * mine:.1f} ms a frame, loops {each * theirs:.0f} ms, ratio {theirs / mine:.1f}"
    )


if __name__ == "__main__":
    main()
