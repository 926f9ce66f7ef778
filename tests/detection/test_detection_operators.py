"""mmcv's operators by torchvision: values, gradients, and who is preferred."""

import importlib
import sys

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

import mmcv
from mmcv.ops import RoIAlign, batched_nms, nms, sigmoid_focal_loss
from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss
from mmengine.utils.dl_utils import mmcv_full_available
from torch.nn import functional

from polyrepro.detection.detection_errors import MissingDetectionError, MissingOperatorError
from polyrepro.detection.operators.mmcv_operators import EXTENSION, install_operators
from polyrepro.errors import PolyreproError

substitute_only = pytest.mark.skipif(
    mmcv._ext.__spec__.origin != "polyrepro.detection.operators.mmcv_operators",
    reason="a compiled mmcv is installed, and has these operators",
)


def random_boxes(number: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corner = 20 * torch.rand(number, 2, generator=generator)
    size = 2 + 15 * torch.rand(number, 2, generator=generator)
    return torch.cat([corner, corner + size], 1), torch.rand(number, generator=generator)


def greedy_nms(boxes, scores, threshold: float, offset: int) -> list[int]:
    """The definition of NMS, one box after another."""
    kept = []
    for i in scores.argsort(descending=True).tolist():
        if all(overlap(boxes[i], boxes[j], offset) <= threshold for j in kept):
            kept.append(i)
    return kept


def overlap(a, b, offset: int) -> float:
    def area(x1, y1, x2, y2):
        return max(x2 - x1 + offset, 0) * max(y2 - y1 + offset, 0)

    a, b = a.tolist(), b.tolist()
    corners = [max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])]
    shared = area(*corners)
    return shared / (area(*a) + area(*b) - shared)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.1, 0.5])
def test_nms_is_the_greedy_one(offset, threshold):
    boxes, scores = random_boxes(60)
    detections, kept = nms(boxes, scores, threshold, offset=offset)
    assert kept.tolist() == greedy_nms(boxes, scores, threshold, offset)
    assert len(kept) < 60
    assert torch.equal(detections, torch.cat([boxes, scores[:, None]], 1)[kept])


def test_nms_with_offset_differs_from_that_without():
    boxes = torch.tensor([[0.0, 0, 4, 4], [3.0, 0, 7, 4]])
    scores = torch.tensor([0.9, 0.8])
    # Overlap 4 / 28 without, 10 / 40 with pixel corners.
    assert [len(nms(boxes, scores, 0.2, offset=offset)[1]) for offset in (0, 1)] == [2, 1]


def test_nms_takes_no_boxes_and_half_precision():
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5)[1].shape == (0,)
    boxes, scores = random_boxes(20)
    assert len(nms(boxes.half(), scores.half(), 0.5)[1]) > 0


@pytest.mark.parametrize("split_thr", [10000, 10])
def test_batched_nms_keeps_overlapping_boxes_of_other_classes(split_thr):
    boxes, scores = random_boxes(40)
    classes = torch.arange(40) % 3
    settings = {"type": "nms", "iou_threshold": 0.3, "split_thr": split_thr}
    detections, kept = batched_nms(boxes, scores, classes, settings)
    expected = []
    for number in range(3):
        index = (classes == number).nonzero().squeeze(1)
        expected += [int(index[i]) for i in greedy_nms(boxes[index], scores[index], 0.3, 0)]
    assert sorted(kept.tolist()) == sorted(expected)
    assert torch.equal(detections[:, 4], scores[kept].sort(descending=True).values)


def test_class_agnostic_batched_nms_is_plain_nms():
    boxes, scores = random_boxes(40)
    settings = {"type": "nms", "iou_threshold": 0.3}
    _, kept = batched_nms(boxes, scores, torch.arange(40) % 3, settings, class_agnostic=True)
    assert kept.tolist() == greedy_nms(boxes, scores, 0.3, 0)


def test_roi_align_of_a_plane_is_the_plane_at_the_centres_of_the_bins():
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij")
    features = torch.stack([2 * x + 3 * y, x - y])[None].repeat(2, 1, 1, 1)
    features[1] += 100
    rois = torch.tensor([[0.0, 4, 6, 20, 18], [1.0, 8, 8, 16, 30]])
    scale = 0.5
    got = RoIAlign((3, 4), spatial_scale=scale, sampling_ratio=2)(features, rois)
    for roi, values in zip(rois, got, strict=True):
        left, top, right, bottom = roi[1:] * scale
        cx = left + (torch.arange(4) + 0.5) / 4 * (right - left) - 0.5
        cy = top + (torch.arange(3) + 0.5) / 3 * (bottom - top) - 0.5
        cy, cx = torch.meshgrid(cy, cx, indexing="ij")
        expected = torch.stack([2 * cx + 3 * cy, cx - cy]) + 100 * roi[0]
        torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_roi_align_gradient_is_that_of_finite_differences(aligned, sampling_ratio):
    features = torch.randn(2, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor([[0, 0.5, 1, 4.2, 5], [1, 1, 0.3, 6, 4], [1, 2, 2, 3, 3]]).double()
    layer = RoIAlign((2, 3), 1.0, sampling_ratio, aligned=aligned)
    assert torch.autograd.gradcheck(lambda x: layer(x, rois), features)


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align_gradient_is_the_same_with_deterministic_algorithms(deterministic, aligned):
    """A GPU's kernel has none, so the gradient then takes another way."""
    features = torch.randn(2, 3, 6, 7, requires_grad=True)
    rois = torch.tensor([[0, 0.5, 1, 4.2, 5], [1, 1, 0.3, 6, 4], [1, 2, 2, 3, 3]])
    pooled = RoIAlign((2, 3), 0.9, 2, aligned=aligned)(features, rois)
    weights = torch.randn_like(pooled)
    got = torch.autograd.grad((pooled * weights).sum(), features)[0]
    torch.use_deterministic_algorithms(False)
    pooled = RoIAlign((2, 3), 0.9, 2, aligned=aligned)(features, rois)
    expected = torch.autograd.grad((pooled * weights).sum(), features)[0]
    torch.testing.assert_close(got, expected)


def test_roi_align_takes_no_rois_and_half_precision():
    layer = RoIAlign(2)
    assert layer(torch.zeros(1, 3, 4, 4), torch.zeros(0, 5)).shape == (0, 3, 2, 2)
    features = torch.rand(1, 1, 8, 8).half().requires_grad_()
    result = layer(features, torch.tensor([[0.0, 1, 1, 6, 6]]).half())
    result.sum().backward()
    assert result.dtype == torch.float16 and features.grad.abs().sum() > 0


@substitute_only
def test_roi_align_by_maximum_says_that_it_is_missing():
    with pytest.raises(MissingOperatorError, match="pool_mode='max'"):
        RoIAlign(2, pool_mode="max")(torch.zeros(1, 1, 4, 4), torch.tensor([[0.0, 0, 0, 3, 3]]))


@pytest.mark.parametrize("weighted", [False, True])
def test_focal_loss_operator_is_the_python_one(weighted):
    logits = torch.randn(9, 3, requires_grad=True)
    target = torch.arange(9) % 4
    class_weight = torch.tensor([1.0, 2.0, 0.5]) if weighted else None
    got = sigmoid_focal_loss(logits, target, 1.5, 0.3, class_weight, "none")
    labels = functional.one_hot(target, 4)[:, :3]
    expected = py_sigmoid_focal_loss(logits, labels, gamma=1.5, alpha=0.3, reduction="none")
    if weighted:
        expected = expected * torch.tensor([1.0, 2.0, 0.5, 1.0])[target][:, None]
    torch.testing.assert_close(got, expected)
    gradients = [torch.autograd.grad(loss.sum(), logits)[0] for loss in (got, expected)]
    torch.testing.assert_close(*gradients)


@substitute_only
def test_any_other_operator_is_named_with_what_to_install():
    boxes, scores = random_boxes(3)
    with pytest.raises(MissingOperatorError, match=r"softnms.*Install the compiled mmcv") as error:
        mmcv.ops.soft_nms(boxes, scores)
    assert isinstance(error.value, PolyreproError)


def test_mmengine_finds_the_operators():
    assert mmcv_full_available()


@pytest.fixture
def other_extension(tmp_path, monkeypatch):
    """Write a module that looks like mmcv's compiled one; ours is put back afterwards."""

    def write(source: str) -> None:
        (tmp_path / "_ext.py").write_text(source)
        importlib.invalidate_caches()

    monkeypatch.delitem(sys.modules, EXTENSION)
    monkeypatch.setattr(mmcv, "_ext", mmcv._ext)
    monkeypatch.setattr(mmcv, "__path__", [*mmcv.__path__, str(tmp_path)])
    return write


def test_a_compiled_mmcv_is_preferred(other_extension):
    other_extension("def nms(*args, **kwargs): return 'compiled'")
    assert not install_operators()
    assert sys.modules[EXTENSION].nms() == "compiled"


def test_a_compiled_mmcv_for_another_torch_is_named(other_extension):
    other_extension("raise ImportError('undefined symbol: _ZN3c10')")
    with pytest.raises(MissingDetectionError, match=r"undefined symbol.*pip uninstall mmcv"):
        install_operators()


@substitute_only
def test_without_a_compiled_mmcv_ours_is_put_in_place(other_extension):
    assert install_operators()
    assert install_operators()  # also the second time
    assert mmcv._ext is sys.modules[EXTENSION]
