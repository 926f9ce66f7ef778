"""AP and AR for any weights of the images, from what a detector found in each of them.

A bootstrap over images needs hundreds of evaluations with some images counted several times and
others not at all. Comparing boxes or masks is nearly all of the cost of an evaluation, and has been
done: of each detection it is known whether it was right at each threshold of IoU. What is left is
to add up the weights of the images in the order of the scores.
"""

from collections.abc import Mapping

import numpy as np

RECALLS = np.linspace(0, 1, 101)
"""Recalls at which COCO interpolates the precision."""

THRESHOLDS = 10


def average_precision_and_recall(
    found: Mapping[str, np.ndarray], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AP and AR (at most 100 detections per image, objects of all sizes) in points.

    Args:
        found: as :func:`polyrepro.data.coco.matches.matches_of` gives it.
        weights: (samples, images) how often each image counts.

    Returns:
        Two arrays, (samples,). They are pycocotools' own numbers for images that are there as often
        as they count, up to the order of equal scores. A class of which a sample has no object does
        not count there; NaN if it has none at all.
    """
    precision = np.zeros(len(weights))
    recall, present = precision.copy(), precision.copy()
    for category in range(found["objects"].shape[1]):
        objects = weights @ found["objects"][:, category].astype(np.int64)
        some = objects > 0
        of_class = found["category"] == category
        arrays = {name: found[name][of_class] for name in ("image", "matched", "ignored")}
        ap, ar = _of_class(arrays, weights, np.maximum(objects, 1))
        precision, recall = precision + some * ap, recall + some * ar
        present += some
    with np.errstate(invalid="ignore"):
        return 100 * precision / present, 100 * recall / present


def _of_class(
    found: Mapping[str, np.ndarray], weights: np.ndarray, objects: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means over the thresholds of IoU of one class."""
    counts = weights[:, found["image"]].astype(np.int32)
    ap, ar = np.zeros(len(weights)), np.zeros(len(weights))
    for threshold in range(THRESHOLDS):
        matched, ignored = ((found[name] >> threshold) & 1 for name in ("matched", "ignored"))
        right = np.flatnonzero(matched & ~ignored & 1)
        if not len(right):
            continue
        counted = counts if not ignored.any() else counts * (1 - ignored)
        # Only a right detection raises recall, so precision is read there alone.
        true = counts[:, right].cumsum(axis=1)
        precision = true / np.maximum(counted.cumsum(axis=1)[:, right], 1)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = true / objects[:, None]
        reached = np.searchsorted(RECALLS, recall, side="right")
        steps = np.diff(reached, axis=1, prepend=0)
        ap += (envelope * steps).sum(axis=1) / len(RECALLS)
        ar += recall[:, -1]
    return ap / THRESHOLDS, ar / THRESHOLDS
