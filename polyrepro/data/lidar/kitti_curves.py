"""KITTI's average precision from what a detector has right and wrong in each frame.

`polyrepro.detection.lidar.kitti_ap` finds that out. With it at hand AP follows for any weights of
the frames without comparing a box again, to which a bootstrap over frames comes down.
"""

from collections.abc import Mapping
from itertools import product

import numpy as np

LEVELS = ("easy", "moderate", "hard")
VIEWS = ("bev", "3d")
"""Boxes seen from above, and in space; names of metrics have only the first."""
RECALLS = 41


def metric_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics of classes, as `kitti_metric` knows them; means over the classes without one."""
    starts = (*(f"{name}_" for name in classes), "")
    parts = product(("", "bev_"), LEVELS, starts)
    return (*(f"{start}{view}ap40_{level}" for view, level, start in parts), "ap11_moderate")


def kitti_metric(found: Mapping[str, np.ndarray], metric: str, weights: np.ndarray) -> np.ndarray:
    """A metric in per cent: (samples,).

    Args:
        found: of each class `car_objects` and the like, as
            :func:`polyrepro.detection.lidar.kitti_ap.kitti_counts` gives them.
        metric: `car_ap40_moderate`, AP over forty recalls of boxes in space; `car_bev_ap40_easy`,
            of boxes seen from above; without a class the mean over the classes. `ap11_moderate` is
            the older mean over eleven recalls.
        weights: (samples, frames) how often each frame counts, whole numbers.
    """
    *name, recalls, level = metric.split("_")
    view = VIEWS.index(name.pop()) if "bev" in name else VIEWS.index("3d")
    classes = name or [key.removesuffix("_objects") for key in found if key.endswith("_objects")]
    place = (view, LEVELS.index(level))
    values = []
    for of_class in classes:
        start = f"{of_class}_"
        arrays = {k.removeprefix(start): v for k, v in found.items() if k.startswith(start)}
        precision = _precision(arrays, place, weights.astype(np.int32))
        read = precision[:, ::4] if recalls == "ap11" else precision[:, 1:]
        values.append(100 * read.mean(axis=1))
    return np.mean(values, axis=0)


def _precision(
    found: Mapping[str, np.ndarray], place: tuple[int, int], weights: np.ndarray
) -> np.ndarray:
    """The highest precision from each of the recalls on, (samples, `RECALLS`); 0 beyond the last.

    KITTI reads it at scores of objects that were found, which lie a fortieth of recall apart.
    """
    counts = weights[:, found["frame"]]
    totals = {
        name: (counts * found[name][:, *place]).cumsum(axis=1)
        for name in ("found", "right", "wrong")
    }
    objects = weights @ found["objects"][:, place[1]].astype(np.int32)
    precision = np.zeros((len(weights), RECALLS))
    if not counts.size:
        return precision
    last_of_score = np.searchsorted(found["rank"], found["rank"], side="right") - 1
    chosen = _scores(totals["found"][:, -1], objects)
    for row, positions in enumerate(chosen):
        positions = positions[positions >= 0]
        at = last_of_score[np.searchsorted(totals["found"][row], positions, side="right")]
        right, wrong = totals["right"][row, at], totals["wrong"][row, at]
        precision[row, : len(at)] = right / np.maximum(right + wrong, 1)
    return np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]


def _scores(found: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Which of the objects that were found, by falling score, have the scores to read at.

    Rounded as in MMDetection3D's `get_thresholds`, which goes through all of them.

    Args:
        found: (samples,) how many there are.
        objects: (samples,) how many there were to be found.

    Returns:
        (samples, `RECALLS`); -1 for none.
    """
    chosen = np.full((len(found), RECALLS), -1)
    last, there = found - 1, np.maximum(objects, 1)
    before, recall = np.full(len(found), -1), 0.0
    for number in range(RECALLS):
        nearest = np.ceil(number * there / (RECALLS - 1) - 1.5).astype(int)
        position = np.maximum(before + 1, nearest - 1)
        while True:
            too_early = (position + 2) / there - recall < recall - (position + 1) / there
            too_early &= position < last
            if not too_early.any():
                break
            position += too_early
        position = np.where(before < last, np.minimum(position, last), -1)
        chosen[:, number] = position
        before = np.where(position >= 0, position, before)
        recall += 1 / (RECALLS - 1.0)
    return chosen
