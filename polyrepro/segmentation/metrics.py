"""Metrics of a segmentation of the foreground, from counts of pixels per score.

The counts of single sweeps are kept beside a run's record: they add up, so that the metrics of any
set of sweeps follow from them. Pixels whose logits fall into the same of the bins count as equal.
"""

import numpy as np

BINS = 1024
LARGEST_LOGIT = 16.0
"""Logits are counted in `BINS` equal bins between minus and plus this; others at the ends."""
RECALL = 0.99
"""Where precision and kept points are read. RSN is trained for high recall: an object whose points
are thrown away cannot be found any more."""
NAMES = {"Car": "vehicle", "Pedestrian": "pedestrian"}
"""Waymo's names of the classes."""
SEGMENTATION_METRICS = (
    *("foreground_ap", "foreground_precision", "points_kept"),
    *(f"{name}_foreground_ap" for name in NAMES.values()),
)
"""What :func:`segmentation_metrics` gives."""


def segmentation_metrics(counts: np.ndarray, classes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Metrics in per cent, for counts of one set of sweeps or of several.

    Args:
        counts: (..., 1 + classes, BINS) pixels per bin of the logit, lowest first: of the
            background, then inside the boxes of each class. Pixels without a return do not count.

    Returns:
        foreground_ap: average precision, the area under the curve of precision over recall with a
        step per bin. foreground_precision: precision at a recall of `RECALL`. points_kept: share of
        all returns that are kept there. vehicle_foreground_ap and the like: average precision of a
        class alone, without the pixels of the others. Each has the shape of the leading dimensions;
        NaN without a pixel of the foreground.
    """
    counts = np.asarray(counts, float)
    background, objects = counts[..., 0, :], counts[..., 1:, :]
    foreground = objects.sum(-2)
    right, kept, precision = _curves(foreground, background)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = right / right[..., -1:]
        at = np.argmax(recall >= RECALL, axis=-1)[..., None]
        shares = kept / kept[..., -1:]
    found = {
        "foreground_ap": _average_precision(foreground, background),
        "foreground_precision": np.take_along_axis(precision, at, -1)[..., 0],
        "points_kept": np.take_along_axis(shares, at, -1)[..., 0],
    }
    for number, name in enumerate(classes):
        own = _average_precision(objects[..., number, :], background)
        found[f"{NAMES[name]}_foreground_ap"] = own
    return {name: 100 * value for name, value in found.items()}


def _curves(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, ...]:
    """Positives, all pixels, and precision from the highest bin down to each bin."""
    right = positive[..., ::-1].cumsum(-1)
    kept = right + negative[..., ::-1].cumsum(-1)
    return right, kept, right / np.maximum(kept, 1)


def _average_precision(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    right, _, precision = _curves(positive, negative)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (positive[..., ::-1] * precision).sum(-1) / right[..., -1]
