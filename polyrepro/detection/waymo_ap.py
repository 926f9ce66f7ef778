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
from polyrepro.detection.errors import DetectionError

LEAST_IOU = {"vehicle": 0.7, "pedestrian": 0.5, "cyclist": 0.5, "sign": 0.5}
"""Waymo's classes, and the intersection over union from which a box counts as found."""
NAMES = {"car": "vehicle"}
"""What MMDetection3D calls one of them."""
LEVELS = (1, 2)
CUTOFFS = np.array([i * 0.01 for i in range(100)] + [1.0], np.float32)
WIDEST_GAP = 0.05
"""Wider gaps in recall are filled with the precision of the next higher recall."""
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


@dataclass
class Counts:
    """Matches at each cutoff: `missed` by level, `heading` is the sum of heading accuracies."""

    right: np.ndarray
    heading: np.ndarray
    wrong: np.ndarray
    missed: np.ndarray


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
    names = [_name(name) for name in classes]
    _check(found, objects, len(names))
    if not len(objects.labels):
        raise DetectionError(
            "there is no object to be found, so average precision is not defined; give the split "
            "annotations"
        )
    metrics = {}
    for label in np.unique(objects.labels):
        for level, pair in zip(LEVELS, class_ap(found, objects, label, names[label]), strict=True):
            for kind, value in zip(("ap", "aph"), pair, strict=True):
                metrics[f"{names[label]}_{kind}_l{level}"] = 100 * value
    for end in ("ap_l1", "aph_l1", "ap_l2", "aph_l2"):
        metrics[end] = float(np.mean([v for k, v in metrics.items() if k.endswith(f"_{end}")]))
    return metrics


def class_ap(found: Found, objects: Objects, label: int, name: str) -> list[tuple[float, float]]:
    """AP and APH in [0, 1] for level 1, then for level 2, of one class; 0 without objects."""
    counts = _counted(found, objects, label, LEAST_IOU[name])
    reported = counts.right + counts.wrong
    with np.errstate(invalid="ignore"):
        precisions = [
            np.where(reported > 0, hits / reported, 0) for hits in (counts.right, counts.heading)
        ]
    values = []
    for missed in counts.missed:
        there = counts.right + missed
        recall = np.divide(counts.right, there, out=np.zeros(len(there)), where=there > 0)
        # Where nothing right was found, precision counts as 1.
        values.append(tuple(_area(np.where(recall == 0, 1, p), recall) for p in precisions))
    return values


def level_of(points: np.ndarray, stated: np.ndarray) -> np.ndarray:
    """Levels of objects: as annotators stated (1 or 2), or else (0) by the number of points."""
    return np.where(stated > 0, stated, np.where(points <= FEWEST_POINTS, 2, 1))


def _area(precision: np.ndarray, recall: np.ndarray) -> float:
    """Area under precision over recall, from the highest recall down."""
    best: dict[float, float] = {0.0: 1.0}
    for r, p in zip(recall.tolist(), precision.tolist(), strict=True):
        best[r] = max(best.get(r, 0.0), p)
    curve: list[tuple[float, float]] = []
    last = highest = 0.0
    for r in sorted(best, reverse=True):
        while last - r > WIDEST_GAP + 1e-6:
            last -= WIDEST_GAP
            curve.append((last, highest))
        highest = max(highest, best[r])
        curve.append((r, highest))
        last = r
    if len(curve) > 1:
        # The precision of 1 at recall 0 was only assumed.
        curve[-1] = (curve[-1][0], curve[-2][1])
    recalls, precisions = np.array(curve).T
    return float(np.sum(-np.diff(recalls) * (precisions[1:] + precisions[:-1]) / 2))


def _counted(found: Found, objects: Objects, label: int, least_iou: float) -> Counts:
    count = len(CUTOFFS)
    totals = Counts(*(np.zeros(count) for _ in range(3)), np.zeros((len(LEVELS), count)))
    for of_found, of_objects in _frames(found, objects, label):
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
            accuracy = heading[rows, columns]
            at = kept == number
            totals.right[at] += len(rows)
            totals.heading[at] += accuracy.sum()
            totals.wrong[at] += number - len(rows)
            missed = np.delete(levels, columns)
            for row, level in enumerate(LEVELS):
                totals.missed[row, at] += (missed <= level).sum()
    return totals


def _frames(found: Found, objects: Objects, label: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of what was found, and of the objects, of one class, frame by frame."""
    chosen = [np.flatnonzero(np.asarray(part.labels) == label) for part in (found, objects)]
    frames = [
        np.asarray(part.frames)[rows] for part, rows in zip((found, objects), chosen, strict=True)
    ]
    names = np.union1d(*frames)
    parts = []
    for rows, of in zip(chosen, frames, strict=True):
        order = np.argsort(of, kind="stable")
        starts = np.searchsorted(of[order], names)
        parts.append(np.split(rows[order], starts[1:]) if len(names) else [])
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
