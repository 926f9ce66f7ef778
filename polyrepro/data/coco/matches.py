"""What a detector found in each image: the part of a COCO evaluation that is left to be counted.

AP and AR are ratios of counts over images. With the matches of each image at hand they can be
computed again for any weights of the images, without comparing a box or mask again: see
`polyrepro.analysis.detections`.
"""

import numpy as np
from pycocotools.cocoeval import COCOeval


def matches_of(evaluation: COCOeval) -> dict[str, np.ndarray]:
    """The matches of an evaluation, for objects of all sizes.

    Args:
        evaluation: after `evaluate()`; its first range of sizes is that of all objects.

    Returns:
        `objects`: uint16, (images, classes), the objects that are to be found; images and classes
        in the order of their ids. Of each detection, by class and then by falling score, as
        pycocotools orders them: `image` (uint32) and `category` (uint16), their positions in that
        order; `matched` and `ignored` (uint16), whose bit t stands for the t-th of the ten
        thresholds of IoU.
    """
    images, classes = len(evaluation.params.imgIds), len(evaluation.params.catIds)
    sizes = len(evaluation.params.areaRng)
    objects = np.zeros((images, classes), np.uint16)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
    for category in range(classes):
        start = category * sizes * images
        entries = dict(enumerate(evaluation.evalImgs[start : start + images]))
        found = {image: entry for image, entry in entries.items() if entry is not None}
        for image, entry in found.items():
            objects[image, category] = np.count_nonzero(np.asarray(entry["gtIgnore"]) == 0)
        scores = [np.asarray(entry["dtScores"], float) for entry in found.values()]
        order = np.argsort(-np.concatenate([*scores, []]), kind="mergesort")
        of_category = {
            "image": np.repeat(np.array(list(found), int), np.array([len(s) for s in scores], int)),
            "category": np.full(len(order), category),
            "matched": _as_bits([entry["dtMatches"] for entry in found.values()]),
            "ignored": _as_bits([entry["dtIgnore"] for entry in found.values()]),
        }
        for name, values in of_category.items():
            columns[name].append(values[order].astype(NAMES[name]))
    return {"objects": objects} | {name: np.concatenate(part) for name, part in columns.items()}


NAMES = {"image": np.uint32, "category": np.uint16, "matched": np.uint16, "ignored": np.uint16}
"""What is kept of a detection, and its type."""


def _as_bits(parts: list[np.ndarray]) -> np.ndarray:
    """Arrays (thresholds, detections of an image) as one integer per detection."""
    if not parts:
        return np.zeros(0, np.uint16)
    flags = np.concatenate(parts, axis=1) != 0
    return (flags * (1 << np.arange(len(flags)))[:, None]).sum(axis=0)
