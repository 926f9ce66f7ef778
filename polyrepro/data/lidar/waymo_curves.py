"""Waymo's AP and APH from counts of matches, which add up over frames.

`polyrepro.detection.lidar.waymo_ap` makes the counts, a row per frame. With those at hand the
metrics of any set of frames follow without comparing a box again.
"""

import numpy as np

LEVELS = (1, 2)
COUNTS = ("right", "heading", "wrong", "missed_l1", "missed_l2")
"""Per score cutoff: boxes that match an object, sum of their heading accuracies, boxes that match
none, and objects of level 1, or of both levels, that are not found."""
KINDS = ("ap", "aph")
CUTOFFS = np.array([i * 0.01 for i in range(100)] + [1.0], np.float32)
WIDEST_GAP = 0.05
"""Wider gaps in recall are filled with the precision of the next higher recall."""


def average_precision(counts: np.ndarray, kind: str, level: int) -> float:
    """AP or APH of one class, in [0, 1]; 0 without objects.

    Args:
        counts: (`COUNTS`, `CUTOFFS`) summed over the frames.
        kind: of `KINDS`.
        level: 1 or 2.
    """
    right, heading, wrong = counts[:3]
    missed = counts[COUNTS.index(f"missed_l{level}")]
    reported, there = right + wrong, right + missed
    hits = right if kind == "ap" else heading
    with np.errstate(invalid="ignore"):
        precision = np.where(reported > 0, hits / reported, 0)
    recall = np.divide(right, there, out=np.zeros(len(there)), where=there > 0)
    # Where nothing right was found, precision counts as 1.
    return _area(np.where(recall == 0, 1, precision), recall)


def metric_of(counts: dict[str, np.ndarray], metric: str) -> float:
    """A metric by its name in the tables, in per cent.

    Args:
        counts: by class, as for :func:`average_precision`.
        metric: `vehicle_ap_l1` and the like; without a class, as `aph_l2`, the mean over classes.
    """
    *name, kind, level = metric.split("_")
    chosen = [counts["_".join(name)]] if name else counts.values()
    values = [average_precision(of_class, kind, int(level[1:])) for of_class in chosen]
    return float(np.mean([100 * value for value in values]))


def metric_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics of classes, in the order of a history's row; means over the classes last."""
    ends = tuple(f"{kind}_l{level}" for level in LEVELS for kind in KINDS)
    return (*(f"{name}_{end}" for name in classes for end in ends), *ends)


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
