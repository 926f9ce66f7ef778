"""Metrics of detectors and segmentations for any weights of the test images or sweeps.

They are no means over images, but follow from what a run has kept of each image: matches of boxes
and masks, Waymo's counts per score cutoff, KITTI's per score, or pixels per score.
"""

from collections.abc import Mapping

import numpy as np

from polyrepro.analysis.detections import average_precision_and_recall
from polyrepro.data.drawn.lidar_drawing import CLASSES
from polyrepro.data.lidar import kitti_curves
from polyrepro.data.lidar.waymo_curves import metric_names, metric_of
from polyrepro.segmentation.metrics import SEGMENTATION_METRICS, segmentation_metrics

COCO_METRICS = tuple(f"{kind}_{name}" for kind in ("box", "mask") for name in ("ap", "ar100"))
WAYMO_METRICS = metric_names(("vehicle", "pedestrian", "cyclist"))
KITTI_METRICS = kitti_curves.metric_names(("car", "pedestrian", "cyclist"))
RESAMPLED = (*COCO_METRICS, *WAYMO_METRICS, *KITTI_METRICS, *SEGMENTATION_METRICS)
"""What can be computed for weights of images, besides accuracy."""


def kept_images(arrays: Mapping[str, np.ndarray], metric: str) -> int | None:
    """Number of test images that a run has kept what a metric needs of; None if it has not."""
    found = _needed(arrays, metric)
    return len(next(iter(found.values()))) if found else None


def weighted_metric(
    arrays: Mapping[str, np.ndarray], metric: str, weights: np.ndarray
) -> np.ndarray:
    """A metric in per cent, for several weights of the images: (samples,).

    Args:
        arrays: that a run has kept, see `polyrepro.compact_predictions`.
        metric: of `RESAMPLED`; `kept_images` knows its images.
        weights: (samples, images) how often each image counts.
    """
    found = _needed(arrays, metric)
    if metric in COCO_METRICS:
        return average_precision_and_recall(found, weights)[metric.endswith("_ar100")]
    if metric in KITTI_METRICS:
        return kitti_curves.kitti_metric(found, metric, weights)
    if metric in SEGMENTATION_METRICS:
        counts = np.tensordot(weights, found["scores"].astype(np.float32), 1)
        return segmentation_metrics(counts, CLASSES)[metric]
    sums = {name: np.tensordot(weights, of_class, 1) for name, of_class in found.items()}
    return np.array(
        [metric_of({n: s[row] for n, s in sums.items()}, metric) for row in range(len(weights))]
    )


def _needed(arrays: Mapping[str, np.ndarray], metric: str) -> dict[str, np.ndarray]:
    """The arrays that a metric is made of, by the ends of their names, the images' first."""
    if metric in COCO_METRICS:
        prefix, first = f"test_{metric.partition('_')[0]}_", "objects"
    elif metric in SEGMENTATION_METRICS:
        prefix, first = "test_", "scores"
    else:
        prefix, first = f"test_{'kitti' if metric in KITTI_METRICS else 'lidar'}_", ""
    found = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
    if first and first in found:
        return {first: found.pop(first)} | found
    return {} if first else found
