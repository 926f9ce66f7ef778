"""MMDetection3D's metric for KITTI with our overlaps, which need no GPU."""

import json
import math

import numpy as np
import pytest

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)
pytest.importorskip("mmdet3d", reason="MMDetection3D is not installed")

import torch
from mmdet3d.evaluation import kitti_eval
from mmdet3d.evaluation.functional.kitti_utils import rotate_iou
from mmdet3d.evaluation.metrics import KittiMetric
from mmdet3d.structures import LiDARInstance3DBoxes
from mmengine.structures import InstanceData

from polyrepro.analysis.image_resampling import drawn_images
from polyrepro.analysis.resampled_metrics import KITTI_METRICS, kept_images, weighted_metric
from polyrepro.detection.lidar.kitti_ap import kitti_counts, metrics_of

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


CLASSES = ("Pedestrian", "Cyclist", "Car")
SIZES = ((0.8, 0.6, 1.7), (1.8, 0.6, 1.7), (3.9, 1.6, 1.5))
TO_CAMERA = [[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
PROJECTION = [[707.0, 0, 604, 45], [0, 707, 180, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def written_case(folder, frames: int = 12) -> tuple:
    """Annotations and predictions of frames with right, shifted, doubled and wrong boxes."""
    random = np.random.default_rng(5)
    truth, found = [], []
    for number in range(frames):
        objects, boxes = [], []
        for place in range(9 if number else 0):
            label = int(random.integers(3))
            x, y, yaw = 8 + 3.0 * place, random.uniform(-4, 4), random.uniform(-3, 3)
            length, width, height = SIZES[label]
            top = 600 * height / x
            objects.append(
                {
                    "bbox": [500.0, 100.0, 560.0, 100.0 + top],
                    "bbox_label": label,
                    "bbox_label_3d": label,
                    "bbox_3d": [-y, 1.7, x, length, height, width, -yaw - math.pi / 2],
                    "truncated": float(random.choice([0, 0.2, 0.4])),
                    "occluded": int(random.integers(3)),
                    "alpha": 0.0,
                    "score": 0.0,
                }
            )
            shift = random.choice([0.0, 0.05, 0.2, 2.0], p=[0.4, 0.3, 0.2, 0.1])
            for _ in range(int(random.choice([0, 1, 2], p=[0.2, 0.7, 0.1]))):
                bottom = -1.7 + random.choice([0.0, 0.2])
                box = [x + shift, y, bottom, length, width, height, yaw]
                guess = label if random.uniform() < 0.9 else (label + 1) % 3
                score = float(random.uniform(0.1, 1))
                boxes.append({"bbox_3d": box, "bbox_label_3d": guess, "score": score})
        camera = {"lidar2cam": TO_CAMERA, "cam2img": PROJECTION, "width": 1224, "height": 370}
        truth.append({"sample_idx": number, "images": {"CAM2": camera}, "instances": objects})
        found.append({"sample_idx": number, "instances": boxes})
    # Its metric needs objects in the first frame; ours does not.
    truth[0], truth[1] = truth[1] | {"sample_idx": 0}, truth[0] | {"sample_idx": 1}
    found[0], found[1] = found[1] | {"sample_idx": 0}, found[0] | {"sample_idx": 1}
    categories = {name: label for label, name in enumerate(CLASSES)}
    content = {"metainfo": {"categories": categories}, "data_list": truth}
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "found.json").write_text(json.dumps(found))
    return folder / "truth.json", folder / "found.json", found


def stock_metrics(truth, found: list[dict]) -> dict[str, float]:
    """What MMDetection3D's own metric gives, unedited."""
    stock = KittiMetric(str(truth))
    stock.dataset_meta = {"classes": CLASSES}
    results = [
        {
            "sample_idx": frame["sample_idx"],
            "pred_instances_3d": InstanceData(
                bboxes_3d=LiDARInstance3DBoxes(
                    torch.tensor([e["bbox_3d"] for e in frame["instances"]]).reshape(-1, 7)
                ),
                labels_3d=torch.tensor([e["bbox_label_3d"] for e in frame["instances"]]).long(),
                scores_3d=torch.tensor([e["score"] for e in frame["instances"]]),
            ),
            "pred_instances": InstanceData(),
        }
        for frame in found
    ]
    return stock.compute_metrics(results)


def test_metrics_are_those_of_mmdetection3ds_own_metric(tmp_path):
    truth, predictions, found = written_case(tmp_path)
    expected = stock_metrics(truth, found)
    metrics = metrics_of(kitti_counts(truth, predictions, CLASSES))
    for view, start in (("3D", ""), ("BEV", "bev_")):
        for level in ("easy", "moderate", "hard"):
            key = f"{view}_AP40_{level}"
            for name in CLASSES:
                value = expected[f"pred_instances_3d/KITTI/{name}_{key}_strict"]
                assert metrics[f"{name.lower()}_{start}ap40_{level}"] == pytest.approx(
                    value, abs=6e-5
                )
            overall = expected[f"pred_instances_3d/KITTI/Overall_{key}"]
            assert metrics[f"{start}ap40_{level}"] == pytest.approx(overall, abs=6e-5)
    eleven = expected["pred_instances_3d/KITTI/Overall_3D_AP11_moderate"]
    assert metrics["ap11_moderate"] == pytest.approx(eleven, abs=6e-5)
    assert metrics["ap40_easy"] > 0
    assert 0 < metrics["car_ap40_hard"] < metrics["car_bev_ap40_hard"] < 95


def test_frames_without_objects_may_come_first_and_found_may_be_nothing(tmp_path):
    truth, predictions, found = written_case(tmp_path, frames=3)
    content = json.loads(truth.read_text())
    content["data_list"][0]["instances"] = []
    truth.write_text(json.dumps(content))
    assert len(metrics_of(kitti_counts(truth, predictions, CLASSES))) == 25
    predictions.write_text(json.dumps([frame | {"instances": []} for frame in found]))
    assert set(metrics_of(kitti_counts(truth, predictions, CLASSES)).values()) == {0.0}


def test_sets_of_frames_have_the_metrics_of_mmdetection3d(tmp_path):
    """Frames that count twice are written twice, and others left out."""
    truth, predictions, found = written_case(tmp_path)
    counts = kitti_counts(truth, predictions, CLASSES)
    arrays = {f"test_kitti_{name}": values for name, values in counts.items()}
    assert kept_images(arrays, "ap40_moderate") == len(found)
    weights = drawn_images(len(found), 3)
    content = json.loads(truth.read_text())
    values = {name: weighted_metric(arrays, name, weights) for name in KITTI_METRICS}
    for sample, row in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(len(found)), row)
        drawn = sorted(drawn, key=lambda frame: not content["data_list"][frame]["instances"])
        frames = [content["data_list"][frame] | {"sample_idx": n} for n, frame in enumerate(drawn)]
        again = [found[frame] | {"sample_idx": n} for n, frame in enumerate(drawn)]
        (tmp_path / "drawn.json").write_text(json.dumps(content | {"data_list": frames}))
        expected = stock_metrics(tmp_path / "drawn.json", again)
        for name in CLASSES:
            stock = expected[f"pred_instances_3d/KITTI/{name}_3D_AP40_moderate_strict"]
            assert values[f"{name.lower()}_ap40_moderate"][sample] == pytest.approx(stock, abs=6e-5)
        stock = expected["pred_instances_3d/KITTI/Overall_BEV_AP40_hard"]
        assert values["bev_ap40_hard"][sample] == pytest.approx(stock, abs=6e-5)
