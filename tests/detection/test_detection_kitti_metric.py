"""MMDetection3D's metric for KITTI with our overlaps, which need no GPU."""

import numpy as np
import pytest

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)
pytest.importorskip("mmdet3d", reason="MMDetection3D is not installed")

from mmdet3d.evaluation import kitti_eval
from mmdet3d.evaluation.functional.kitti_utils import rotate_iou

CARS = 20


def cars(forward: np.ndarray, scores: np.ndarray | None = None) -> dict:
    """A frame of cars side by side, each moved forward by so many metres."""
    number = len(forward)
    place = np.stack([5.0 * np.arange(number), np.full(number, 1.7), 20 + forward], 1)
    found = {
        "name": np.array(["Car"] * number),
        "truncated": np.zeros(number),
        "occluded": np.zeros(number, int),
        "alpha": np.zeros(number),
        "bbox": np.stack([100.0 * np.arange(number) + part for part in (0, 0, 90, 90)], 1),
        "dimensions": np.tile([4.0, 1.5, 1.6], (number, 1)),
        "location": place,
        # The length points forward.
        "rotation_y": np.full(number, -np.pi / 2),
    }
    return found if scores is None else found | {"score": scores}


def ap40(moved: float) -> tuple[float, float]:
    """AP of all recall points when half of the cars are found too far ahead: above, and in 3D."""
    forward = np.where(np.arange(CARS) % 2, moved, 0.0)
    found = cars(forward, np.linspace(0.99, 0.5, CARS))
    _, values = kitti_eval([cars(np.zeros(CARS))], [found], ["Car"])
    return values["KITTI/Car_BEV_AP40_moderate_strict"], values["KITTI/Car_3D_AP40_moderate_strict"]


def test_the_metric_takes_our_overlaps():
    assert rotate_iou.__name__ == "polyrepro.detection.operators.kitti_iou"


def test_cars_count_up_to_an_overlap_of_seven_tenths():
    """Moved by d of 4 m, the overlap is (4 - d) / (4 + d)."""
    perfect = ap40(0.0)
    # With fewer than forty objects the metric does not reach 100.
    assert perfect[0] == perfect[1] > 40
    assert ap40(0.7) == perfect
    assert all(value < 0.8 * best for value, best in zip(ap40(0.71), perfect, strict=True))
