"""mmcv's operators on rotated boxes, and KITTI's overlap: against shapely and a greedy loop."""

import math

import numpy as np
import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from mmcv.ops import box_iou_rotated, nms_rotated
from shapely import affinity
from shapely.geometry import Polygon, box

from polyrepro.detection.operators.kitti_iou import rotate_iou_gpu_eval


def boxes(number: int, span: float = 6.0, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.rand(number, 5, generator=generator, dtype=torch.float64)
    return numbers * torch.tensor([span, span, 4, 2, 8]) + torch.tensor([0, 0, 0.5, 0.5, -4])


def polygon(values, turn: int = 1) -> Polygon:
    """The rectangle x, y, width, height, angle; shapely turns from x towards y."""
    x, y, width, height, angle = map(float, values)
    flat = box(-width / 2, -height / 2, width / 2, height / 2)
    turned = affinity.rotate(flat, turn * angle, origin=(0, 0), use_radians=True)
    return affinity.translate(turned, x, y)


def overlap(a: Polygon, b: Polygon, mode: str = "iou") -> float:
    shared = a.intersection(b).area
    return shared / {"iou": a.area + b.area - shared, "first": a.area, "second": b.area}[mode]


@pytest.mark.parametrize(("mode", "divisor"), [("iou", "iou"), ("iof", "first")])
def test_overlaps_are_those_of_shapely(mode, divisor):
    first, second = boxes(30), boxes(40, seed=1)
    expected = [[overlap(polygon(a), polygon(b), divisor) for b in second] for a in first]
    expected = torch.tensor(expected, dtype=torch.float64)
    assert 0.1 < (expected > 0).double().mean() < 0.9
    got = box_iou_rotated(first, second, mode)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
    single = box_iou_rotated(first.float(), second.float(), mode)
    torch.testing.assert_close(single.double(), expected, rtol=0, atol=2e-6)
    paired = box_iou_rotated(first, second[:30], mode, aligned=True)
    torch.testing.assert_close(paired, expected.diagonal())


def test_positive_angles_turn_from_x_to_y_unless_told_otherwise():
    first = torch.tensor([[0.0, 0, 4, 1, math.pi / 4]])
    along = torch.tensor([[1.0, 1, 1, 1, 0]])
    assert box_iou_rotated(first, along) > 0.1
    assert box_iou_rotated(first, along, clockwise=False) == 0


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, 3.0, -200.0])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ([0, 0, 0, 0, 0], 1),  # the same box
        ([0, 0, 0, 0, math.pi], 1),  # turned half round
        ([4, 0, 0, 0, 0], 0),  # beside it, with an edge in common
        ([4, 2, 0, 0, 0], 0),  # with a corner in common
        ([1, 0, -2, 0, 0], 0.5),  # the half of it, with three edges in common
        ([1, 0.5, -2, -1, 0], 0.25),  # a quarter, with two
        ([50, 0, 0, 0, 0], 0),
        ([0, 0, 1e-7, 0, 1e-9], 1),
    ],
)
def test_boxes_with_common_edges(change, expected, angle):
    """Anywhere on a field of 150 m, as exactly as single precision has it there."""
    first = torch.tensor([[0.0, 0, 4, 2, 0]], dtype=torch.float64)
    pair = torch.cat([first, first + torch.tensor([change])])
    cos, sin = math.cos(angle), math.sin(angle)
    pair[:, :2] = pair[:, :2] @ torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)
    pair[:, 4] += angle
    for dtype, tolerance in ((torch.float64, 1e-6), (torch.float32, 2e-5)):
        moved = pair.clone()
        moved[:, :2] += torch.tensor([70.0, -60.0])
        moved = moved.to(dtype)
        for a, b in ((moved[:1], moved[1:]), (moved[1:], moved[:1])):
            assert abs(float(box_iou_rotated(a, b)) - expected) < tolerance


def test_boxes_without_area_and_no_boxes():
    flat = torch.tensor([[0.0, 0, 0, 2, 0.3], [0, 0, 0, 0, 0]])
    assert not box_iou_rotated(flat, flat).any()
    assert box_iou_rotated(flat, torch.zeros(0, 5)).shape == (2, 0)
    assert box_iou_rotated(torch.zeros(0, 5), flat, aligned=False).shape == (0, 2)


def greedy(candidates, scores, threshold, labels=None) -> list[int]:
    """The definition of NMS, one box after another."""
    shapes, kept = [polygon(row) for row in candidates], []
    for i in scores.argsort(descending=True).tolist():
        rivals = [j for j in kept if labels is None or labels[i] == labels[j]]
        if all(overlap(shapes[i], shapes[j]) <= threshold for j in rivals):
            kept.append(i)
    return kept


@pytest.mark.parametrize("threshold", [0.01, 0.25, 0.5])
@pytest.mark.parametrize("block", [512, 16])
def test_nms_is_the_greedy_one(threshold, block, monkeypatch):
    monkeypatch.setattr("polyrepro.detection.operators.rotated_boxes.BLOCK", block)
    monkeypatch.setattr("polyrepro.detection.operators.rotated_boxes.PIECE", 8 * block)
    candidates, scores = boxes(120, span=4), torch.rand(120, dtype=torch.float64)
    detections, kept = nms_rotated(candidates, scores, threshold)
    assert kept.tolist() == greedy(candidates, scores, threshold)
    assert 1 < len(kept) < 120
    assert torch.equal(detections, torch.cat([candidates, scores[:, None]], 1)[kept])


def test_nms_spares_boxes_of_other_labels():
    candidates, scores, labels = boxes(60), torch.rand(60), torch.arange(60) % 3
    _, kept = nms_rotated(candidates, scores, 0.25, labels)
    assert kept.tolist() == greedy(candidates, scores, 0.25, labels)
    assert len(kept) > len(greedy(candidates, scores, 0.25))


def test_nms_of_a_chain_keeps_every_second_box():
    """Each box suppresses the next one only, so decisions depend on all before."""
    candidates = torch.tensor([[float(i), 0, 2, 1, 0] for i in range(1200)])
    _, kept = nms_rotated(candidates, torch.linspace(1, 0, 1200), 0.3)
    assert kept.tolist() == list(range(0, 1200, 2))


def test_nms_of_many_equal_boxes_keeps_the_best_and_nan_suppresses_nothing():
    equal = torch.tensor([[5.0, 5, 4, 2, 0.3]]).repeat(700, 1)
    scores = torch.rand(700)
    assert nms_rotated(equal, scores, 0.5)[1].tolist() == [int(scores.argmax())]
    equal[int(scores.argmax())] = float("nan")
    assert len(nms_rotated(equal, scores, 0.5)[1]) == 2


CRITERIA = {-1: "iou", 0: "second", 1: "first"}


@pytest.mark.parametrize("criterion", [-1, 0, 1, 2])
def test_overlap_of_kitti_is_that_of_shapely_with_angles_the_other_way(criterion):
    first, second = boxes(20).numpy(), boxes(25, seed=1).numpy()
    shapes = [[polygon(row, turn=-1) for row in part] for part in (first, second)]

    def expected(a: Polygon, b: Polygon) -> float:
        if criterion == 2:
            return a.intersection(b).area
        return overlap(a, b, CRITERIA[criterion])

    table = np.array([[expected(a, b) for b in shapes[1]] for a in shapes[0]])
    got = rotate_iou_gpu_eval(first, second, criterion)
    assert got.dtype == np.float32 and (table > 0).any()
    np.testing.assert_allclose(got, table, atol=1e-6)
    assert rotate_iou_gpu_eval(first, second[:0]).shape == (20, 0)
