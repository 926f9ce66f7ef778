"""KITTI's average precision, as MMDetection3D computes it, from a file of predictions.

A box found counts if it overlaps enough with an object of its class; AP is the mean precision over
forty recalls. Objects are easy, moderate or hard by height in the image, occlusion and truncation;
a level has those of the easier ones, too. Overlaps are ours
(`polyrepro.detection.operators.kitti_iou`), because MMDetection3D's need a GPU.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmdet3d.evaluation.functional.kitti_utils.eval import do_eval
from mmdet3d.evaluation.metrics import KittiMetric
from mmdet3d.structures import LiDARInstance3DBoxes

from polyrepro.data.lidar.kitti_frames import CAMERA

LEVELS = ("easy", "moderate", "hard")
LEAST_OVERLAP = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}
"""From which a box counts, in the order of MMDetection3D's numbers of these classes."""


def kitti_metrics(annotations: Path, predictions: Path, classes: Sequence[str]) -> dict[str, float]:
    """AP of each class and level, in per cent.

    Args:
        annotations: of the evaluated frames, as verified.
        predictions: what `LidarPredictions` has written for them.
        classes: of the detector; labels of the predictions are positions in here.

    Returns:
        `car_ap40_moderate` and the like, of boxes in space; `car_bev_ap40_moderate`, of boxes seen
        from above; without a class the mean over the classes. `ap11_moderate` is the older mean
        over eleven recalls, which other values of MMDetection3D's models are in.
    """
    objects, found = _in_kitti_format(annotations, predictions, classes)
    numbers = [list(LEAST_OVERLAP).index(name) for name in classes]
    # Of images, from above, in space; KITTI has the same for all.
    least = np.tile([LEAST_OVERLAP[name] for name in classes], (1, 3, 1))
    values = do_eval(objects, found, numbers, least, ["bev", "3d"])
    eleven, above, space = (values[place][:, :, 0] for place in (2, 5, 6))
    metrics = {}
    for start, of_view in (("", space), ("bev_", above)):
        for level, of_level in zip(LEVELS, of_view.T, strict=True):
            for name, value in zip(classes, of_level, strict=True):
                metrics[f"{name.lower()}_{start}ap40_{level}"] = float(value)
            metrics[f"{start}ap40_{level}"] = float(of_level.mean())
    return metrics | {"ap11_moderate": float(eleven[:, LEVELS.index("moderate")].mean())}


def _in_kitti_format(
    annotations: Path, predictions: Path, classes: Sequence[str]
) -> tuple[list[dict], list[dict]]:
    """Objects and what was found, a frame each, in the coordinates of the camera."""
    metric = KittiMetric(str(annotations))
    truth = metric.convert_annos_to_kitti_annos(json.loads(annotations.read_bytes()))
    frames = json.loads(predictions.read_bytes())
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
