"""KITTI's average precision, as MMDetection3D computes it, from a file of predictions.

A box found counts if it overlaps enough with an object of its class; AP is the mean precision over
forty recalls. Objects are easy, moderate or hard by height in the image, occlusion and truncation;
a level has those of the easier ones, too. MMDetection3D's code says what is right and wrong in a
frame, with overlaps of ours (`polyrepro.detection.operators.kitti_iou`), because its own need a
GPU; `polyrepro.data.lidar.kitti_curves` makes AP of it.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmdet3d.evaluation.functional.kitti_utils import eval as kitti
from mmdet3d.evaluation.metrics import KittiMetric
from mmdet3d.structures import LiDARInstance3DBoxes

from polyrepro.data.lidar.kitti_curves import LEVELS, VIEWS, kitti_metric, metric_names
from polyrepro.data.lidar.kitti_frames import CAMERA

LEAST_OVERLAP = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}
"""From which a box counts, in the order of MMDetection3D's numbers of these classes."""
VIEW_NUMBERS = {"bev": 1, "3d": 2}
"""What MMDetection3D calls the views."""
PARTS = 200
"""Frames are compared in so many parts, as in MMDetection3D."""


def metrics_of(counts: dict[str, np.ndarray]) -> dict[str, float]:
    """AP of each class and level in per cent, from the counts of :func:`kitti_counts`.

    Returns:
        The metrics that :func:`polyrepro.data.lidar.kitti_curves.kitti_metric` describes.
    """
    classes = [name.removesuffix("_objects") for name in counts if name.endswith("_objects")]
    once = np.ones((1, len(counts[f"{classes[0]}_objects"])))
    names = metric_names(tuple(classes))
    return {name: float(kitti_metric(counts, name, once)[0]) for name in names}


def kitti_counts(
    annotations: Path, predictions: Path, classes: Sequence[str]
) -> dict[str, np.ndarray]:
    """What a file of predictions has right and wrong in each frame, by class, compactly.

    Args:
        annotations: of the evaluated frames, as verified.
        predictions: what `LidarPredictions` has written for them.
        classes: of the detector; labels of the predictions are positions in here.

    Returns:
        Of each class, the names starting with it (`car_objects`):

        - `objects` (frames, levels): how many there are to be found;
        - a row for each score in each frame, scores falling: `frame` and `rank`, equal for equal
          scores; and, each (rows, views, levels), `found`: objects whose best box has this score;
          `right` and `wrong`: what boxes of this score add to those found before. Rows that say
          nothing are left out.
    """
    objects, found = _in_kitti_format(annotations, predictions, classes)
    overlaps = [
        kitti.calculate_iou_partly(found, objects, VIEW_NUMBERS[view], min(PARTS, len(found)))[0]
        for view in VIEWS
    ]
    counts = {}
    for name in classes:
        for key, values in _of_class(name, objects, found, overlaps).items():
            counts[f"{name.lower()}_{key}"] = values
    return counts


def _of_class(
    name: str, objects: list[dict], found: list[dict], overlaps: list[list[np.ndarray]]
) -> dict[str, np.ndarray]:
    number = list(LEAST_OVERLAP).index(name)
    scores = [np.unique(frame["score"])[::-1] for frame in found]
    there = np.zeros((len(found), len(LEVELS)), np.uint16)
    steps = np.zeros((3, sum(map(len, scores)), len(VIEWS), len(LEVELS)), np.int8)
    for level in range(len(LEVELS)):
        prepared = kitti._prepare_data(objects, found, number, level)[:5]
        parts = list(zip(*prepared, strict=True))
        # Objects that are passed over, because they are of other classes or too hard, are not 0.
        there[:, level] = [(passed_over == 0).sum() for _, _, passed_over, *_ in parts]
        for view, of_view in enumerate(overlaps):
            steps[:, :, view, level] = np.concatenate(
                [
                    _steps(np.ascontiguousarray(overlap), part, at, LEAST_OVERLAP[name])
                    for overlap, part, at in zip(of_view, parts, scores, strict=True)
                ],
                axis=1,
            )
    frame = np.repeat(np.arange(len(found), dtype=np.uint32), [len(at) for at in scores])
    _, rank = np.unique(-np.concatenate(scores), return_inverse=True)
    order = np.lexsort([frame, rank])
    order = order[steps.any(axis=(0, 2, 3))[order]]
    rows = {"frame": frame, "rank": rank.astype(np.uint32)}
    rows |= dict(zip(("found", "right", "wrong"), steps, strict=True))
    return {"objects": there} | {key: values[order] for key, values in rows.items()}


def _steps(overlap: np.ndarray, part: tuple, scores: np.ndarray, least: float) -> np.ndarray:
    """Objects first found, right and wrong boxes of a frame, by falling score: (3, scores)."""
    objects, boxes, *passed_over, nowhere = part
    view = VIEW_NUMBERS["bev"]  # any but that of the image, which alone has regions of no interest
    best = kitti.compute_statistics_jit(
        overlap, *part, view, min_overlap=least, thresh=0.0, compute_fp=False
    )[4]
    first = [(best == score).sum() for score in scores]
    totals = np.zeros((len(scores), 4))
    kitti.fused_compute_statistics(
        overlap,
        totals,
        *(np.array([len(rows)]) for rows in (objects, boxes, nowhere)),
        *(objects, boxes, nowhere, *passed_over),
        metric=view,
        min_overlap=least,
        thresholds=scores,
        compute_aos=False,
    )
    return np.stack([first, *np.diff(totals[:, :2], axis=0, prepend=0).T]).reshape(3, -1)


def _in_kitti_format(
    annotations: Path, predictions: Path, classes: Sequence[str]
) -> tuple[list[dict], list[dict]]:
    """Objects and what was found, in the coordinates of the camera, frames by rising number."""
    metric = KittiMetric(str(annotations))
    truth = metric.convert_annos_to_kitti_annos(json.loads(annotations.read_bytes()))
    frames = sorted(json.loads(predictions.read_bytes()), key=lambda frame: frame["sample_idx"])
    objects = [truth[frame["sample_idx"]]["kitti_annos"] for frame in frames]
    found = [_found(metric, truth[frame["sample_idx"]], frame, classes) for frame in frames]
    return [_as_float64(frame) for frame in objects], [_as_float64(frame) for frame in found]


def _found(metric: KittiMetric, truth: dict, frame: dict, classes: Sequence[str]) -> dict:
    """What was found in a frame, as far as the camera sees it."""
    entries = frame["instances"]
    boxes = torch.tensor([entry["bbox_3d"] for entry in entries]).reshape(-1, 7)
    seen = metric.convert_valid_bboxes(
        {
            "bboxes_3d": LiDARInstance3DBoxes(boxes),
            "labels_3d": torch.tensor([entry["bbox_label_3d"] for entry in entries]).long(),
            "scores_3d": torch.tensor([entry["score"] for entry in entries]),
        },
        truth,
    )
    camera = truth["images"][CAMERA]
    place = seen["box3d_camera"]
    return {
        "name": np.array([classes[int(label)] for label in seen["label_preds"]]),
        "bbox": np.clip(seen["bbox"], 0, [camera["width"], camera["height"]] * 2),
        "location": place[:, :3],
        "dimensions": place[:, 3:6],
        "rotation_y": place[:, 6],
        "score": seen["scores"],
        "alpha": np.zeros(len(place)),  # for the orientation in the image, which is not computed
    }


def _as_float64(frame: dict) -> dict:
    """numba compiles its functions once for each type of number."""
    return {k: v if k == "name" else np.asarray(v, np.float64) for k, v in frame.items()}
