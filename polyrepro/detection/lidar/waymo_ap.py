"""Waymo's average precision, AP and APH, of levels 1 and 2, without TensorFlow.

Computed as by the operator of the Waymo Open Dataset (package waymo-open-dataset-tf-2-12-0 1.6.7),
with the configuration of its command-line tool; the tests compare with values of the operator.
At each of a hundred and one score cutoffs what was found is matched with the objects of its frame
and class, so that the sum of the intersections over union (3D, upright boxes) is largest. An object
of level 2 that is not found counts for level 2 only; one that is found counts for both levels. In
APH a match counts for 1 - |difference of headings| / pi.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from polyrepro.data.lidar.boxes import iou_3d
from polyrepro.data.lidar.waymo_curves import COUNTS, CUTOFFS, LEVELS, metric_names, metric_of
from polyrepro.detection.detection_errors import DetectionError

LEAST_IOU = {"vehicle": 0.7, "pedestrian": 0.5, "cyclist": 0.5, "sign": 0.5}
"""Waymo's classes, and the intersection over union from which a box counts as found."""
NAMES = {"car": "vehicle"}
"""What MMDetection3D calls one of them."""
FEWEST_POINTS = 5
"""An object with at most so many LiDAR points is of level 2 if nobody has said otherwise."""


@dataclass(frozen=True)
class Objects:
    """What there is to be found.

    Attributes:
        frames: (n,) a number or name of the frame.
        labels: (n,) position in the list of classes.
        boxes: (n, 7) centre x, y, z, length, width, height, heading.
        levels: (n,) 1 or 2.
    """

    frames: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True)
class Found:
    """What a detector found; as `Objects`, with a score in [0, 1] instead of a level."""

    frames: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


def waymo_ap(found: Found, objects: Objects, classes: Sequence[str]) -> dict[str, float]:
    """Waymo's metrics in per cent.

    Args:
        classes: names that the labels refer to: Waymo's, or `Car` for its vehicles; in any case.

    Returns:
        For every class of which there is an object `vehicle_ap_l1`, `vehicle_aph_l1`,
        `vehicle_ap_l2`, `vehicle_aph_l2` and the like, and `ap_l1` .. `aph_l2`: their means.

    Raises:
        DetectionError: for a class that Waymo has not, arrays that do not fit together, NaN, or no
            object at all.
    """
    frames = np.union1d(np.asarray(found.frames), np.asarray(objects.frames))
    return metrics_of(waymo_counts(found, objects, classes, frames))


def metrics_of(counts: dict[str, np.ndarray]) -> dict[str, float]:
    """What :func:`waymo_ap` gives, from the counts of :func:`waymo_counts`."""
    whole = {name: of_class.sum(0) for name, of_class in counts.items()}
    return {metric: metric_of(whole, metric) for metric in metric_names(tuple(whole))}


def waymo_counts(
    found: Found, objects: Objects, classes: Sequence[str], frames: np.ndarray
) -> dict[str, np.ndarray]:
    """Matches in each frame, by Waymo's name of the class, for classes of which there is an object.

    Args:
        classes: as for :func:`waymo_ap`.
        frames: all that are evaluated, also those in which nothing is and nothing was found.

    Returns:
        float64, (frames, `COUNTS`, `CUTOFFS`).

    Raises:
        DetectionError: as :func:`waymo_ap`.
    """
    names = [_name(name) for name in classes]
    _check(found, objects, len(names))
    if not len(objects.labels):
        raise DetectionError(
            "there is no object to be found, so average precision is not defined; give the split "
            "annotations"
        )
    return {
        names[label]: _counted(found, objects, label, LEAST_IOU[names[label]], frames)
        for label in np.unique(objects.labels)
    }


def level_of(points: np.ndarray, stated: np.ndarray) -> np.ndarray:
    """Levels of objects: as annotators stated (1 or 2), or else (0) by the number of points."""
    return np.where(stated > 0, stated, np.where(points <= FEWEST_POINTS, 2, 1))


def _counted(
    found: Found, objects: Objects, label: int, least_iou: float, frames: np.ndarray
) -> np.ndarray:
    counts = np.zeros((len(frames), len(COUNTS), len(CUTOFFS)))
    parts = _frames(found, objects, label, frames)
    for of_frame, (of_found, of_objects) in zip(counts, parts, strict=True):
        scores = np.asarray(found.scores, np.float32)[of_found]
        order = np.argsort(-scores, kind="stable")
        of_found, scores = of_found[order], scores[order]
        iou = iou_3d(found.boxes[of_found], objects.boxes[of_objects]).astype(np.float32)
        heading = _heading_accuracy(
            np.asarray(found.boxes)[of_found, 6], np.asarray(objects.boxes)[of_objects, 6]
        )
        levels = np.asarray(objects.levels)[of_objects]
        kept = (scores[:, None] >= CUTOFFS).sum(0)
        for number in np.unique(kept):
            rows, columns = _matched(iou[:number], least_iou)
            missed = np.delete(levels, columns)
            at_level = [(missed <= level).sum() for level in LEVELS]
            matched = len(rows), heading[rows, columns].sum(), number - len(rows)
            of_frame[:, kept == number] = np.array([*matched, *at_level], float)[:, None]
    return counts


def _frames(
    found: Found, objects: Objects, label: int, frames: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of what was found, and of the objects, of one class, frame by frame."""
    chosen = [np.flatnonzero(np.asarray(part.labels) == label) for part in (found, objects)]
    parts = []
    for rows, part in zip(chosen, (found, objects), strict=True):
        of = np.asarray(part.frames)[rows]
        order = np.argsort(of, kind="stable")
        ordered = of[order]
        ends = [np.searchsorted(ordered, frames, side=side) for side in ("left", "right")]
        parts.append([rows[order[low:high]] for low, high in zip(*ends, strict=True)])
    yield from zip(*parts, strict=True)


def _matched(iou: np.ndarray, least_iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs with the largest sum of intersections over union, of which each reaches the least."""
    allowed = iou >= np.float32(least_iou)
    rows, columns = np.flatnonzero(allowed.any(1)), np.flatnonzero(allowed.any(0))
    inner = np.ix_(rows, columns)
    if (allowed[inner].sum(0) == 1).all() and (allowed[inner].sum(1) == 1).all():
        return np.nonzero(allowed)
    # Whole millionths, as the operator counts them.
    gain = np.where(allowed, (iou * np.float32(1e6)).astype(int), 0)
    pairs = linear_sum_assignment(gain[inner], maximize=True)
    first, second = rows[pairs[0]], columns[pairs[1]]
    real = allowed[first, second]
    return first[real], second[real]


def _heading_accuracy(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 for equal headings, 0 for opposite ones; (n, m)."""
    first, second = (_wrapped(np.asarray(angle, np.float32)) for angle in (first, second))
    # Like the operator: headings in single precision, their difference in double.
    apart = np.abs(first[:, None] - second[None]).astype(float)
    apart = np.where(apart > np.pi, 2 * np.pi - apart, apart)
    return np.clip(1 - apart / np.pi, 0, 1)


def _wrapped(angle: np.ndarray) -> np.ndarray:
    """The same angle in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _name(class_name: str) -> str:
    name = NAMES.get(class_name.lower(), class_name.lower())
    if name not in LEAST_IOU:
        raise DetectionError(
            f"Waymo's metrics know no class {class_name!r}; name it as one of "
            f"{', '.join((*LEAST_IOU, *NAMES))}"
        )
    return name


def _check(found: Found, objects: Objects, classes: int) -> None:
    for what, part, last in (("found", found, "scores"), ("objects", objects, "levels")):
        arrays = {key: np.asarray(value) for key, value in vars(part).items()}
        count = len(arrays["labels"])
        for key, value in arrays.items():
            shape = (count, 7) if key == "boxes" else (count,)
            if value.shape != shape:
                raise DetectionError(
                    f"{what}.{key} has shape {value.shape} instead of {shape}: one row per box"
                )
        for key in ("boxes", last):
            if not np.isfinite(arrays[key].astype(float)).all():
                row = int(
                    np.argmin(np.isfinite(arrays[key].astype(float)).reshape(count, -1).all(1))
                )
                raise DetectionError(f"{what}.{key} is not finite in row {row}; leave that box out")
        if count and not 0 <= arrays["labels"].min() <= arrays["labels"].max() < classes:
            raise DetectionError(
                f"{what}.labels must be positions in the list of {classes} classes, got "
                f"{arrays['labels'].min()} to {arrays['labels'].max()}"
            )
    if len(objects.levels) and not np.isin(objects.levels, LEVELS).all():
        raise DetectionError("objects.levels must be 1 or 2; `level_of` makes them from the points")
    if len(found.scores) and not 0 <= np.min(found.scores) <= np.max(found.scores) <= 1:
        raise DetectionError("found.scores must lie in [0, 1]: the cutoffs do")
