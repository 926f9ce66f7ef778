"""Predictions for point clouds: how a test run writes them, and Waymo's counts from the file.

A file of predictions is like the annotation file, a list of frames in the place of `data_list`:
each with `sample_idx` and `instances`, which have `bbox_3d` (z is the bottom's), `bbox_label_3d`
and `score`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric

from polyrepro.data.lidar.boxes import with_centre
from polyrepro.detection.lidar.waymo_ap import Found, Objects, level_of, waymo_counts
from polyrepro.detection.registration import register_in_scopes
from polyrepro.files import write_atomically


class LidarPredictions(BaseMetric):
    """Writes what a detector of MMDetection3D finds to a file; computes nothing.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep the boxes of a batch."""
        for sample in data_samples:
            found = sample["pred_instances_3d"]
            columns = (
                found["bboxes_3d"].tensor.tolist(),
                found["labels_3d"].tolist(),
                found["scores_3d"].tolist(),
            )
            instances = [
                {"bbox_3d": box[:7], "bbox_label_3d": label, "score": score}
                for box, label, score in zip(*columns, strict=True)
            ]
            self.results.append({"sample_idx": sample["sample_idx"], "instances": instances})

    def compute_metrics(self, results: list[dict]) -> dict:
        """Write the file; the metrics are computed from it."""
        write_atomically(self.path, json.dumps(results))
        return {}


def lidar_counts(
    annotations: Path, predictions: Path, classes: Sequence[str]
) -> dict[str, np.ndarray]:
    """What a file of predictions has right and wrong in each frame, by class.

    Args:
        annotations: of the evaluated frames, as verified. Objects without a point do not count.

    Returns:
        What :func:`polyrepro.detection.lidar.waymo_ap.waymo_counts` gives, frames by rising
        `sample_idx`.

    Raises:
        DetectionError: as `waymo_ap`.
    """
    frames = json.loads(annotations.read_bytes())["data_list"]
    there = [
        (frame["sample_idx"], entry)
        for frame in frames
        for entry in frame["instances"]
        if entry["num_lidar_pts"] > 0
    ]
    found = [
        (frame["sample_idx"], entry)
        for frame in json.loads(predictions.read_bytes())
        for entry in frame["instances"]
    ]
    levels = level_of(
        np.array([entry["num_lidar_pts"] for _, entry in there], int),
        np.array([entry["difficulty_level"] for _, entry in there], int),
    )
    scores = np.array([entry["score"] for _, entry in found], float)
    names = np.unique(np.array([frame["sample_idx"] for frame in frames], int))
    parts = Found(*_columns(found), scores), Objects(*_columns(there), levels)
    return waymo_counts(*parts, classes, names)


def _columns(entries: list[tuple[int, dict]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, labels and boxes."""
    return (
        np.array([frame for frame, _ in entries], int),
        np.array([entry["bbox_label_3d"] for _, entry in entries], int),
        with_centre(np.array([entry["bbox_3d"] for _, entry in entries])),
    )


register_in_scopes("METRICS", LidarPredictions)
