"""mmcv's compiled operators without a compiler: NMS, RoIAlign, focal loss, voxels, turned boxes.

mmcv keeps its operators in the extension module ``mmcv._ext``, which the pure-Python package
``mmcv-lite`` lacks. Here a substitute takes that name. It has the operators that Mask R-CNN,
Cascade R-CNN, RetinaNet and FCOS call: NMS and RoIAlign from torchvision, which has CPU and CUDA
kernels, and the focal loss, which MMDetection calls through mmcv on a GPU only, from
``polyrepro.losses``. Those that PointPillars calls are made of plain torch. Every other operator
can be looked up, because mmcv looks up all of them when it is imported, but raises an error when it
is called.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

import torch
import torchvision
from torch import Tensor

from polyrepro.detection.detection_errors import MissingDetectionError, MissingOperatorError
from polyrepro.detection.operators.rotated_boxes import box_iou_rotated, nms_rotated
from polyrepro.detection.operators.voxel_operators import (
    dynamic_point_to_voxel_backward,
    dynamic_point_to_voxel_forward,
    dynamic_voxelize_forward,
    hard_voxelize_forward,
)
from polyrepro.losses import poly_binary_cross_entropy

EXTENSION = "mmcv._ext"


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices (kept,) of the boxes that stay, by falling score.

    Args:
        boxes: (boxes, 4) as x1, y1, x2, y2. scores: (boxes,).
        iou_threshold: boxes that overlap a better one by more than this are dropped.
        offset: 0, or 1 for corners that are pixel indices: width is then x2 - x1 + 1.
    """
    boxes, scores = _at_least_float32(boxes.detach()), _at_least_float32(scores.detach())
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return torchvision.ops.nms(boxes, scores.to(boxes.dtype), iou_threshold)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` (rois, channels, height, width) from ``input`` (images, channels, h, w).

    ``rois`` is (rois, 5): index of the image, then x1, y1, x2, y2. mmcv's pool mode 1 is the
    average, the only one that torchvision has.

    Raises:
        MissingOperatorError: for maximum pooling.
    """
    if pool_mode != 1:
        raise _missing("roi_align_forward with pool_mode='max'")
    features = _at_least_float32(input)
    size = (aligned_height, aligned_width)
    result = torch.ops.torchvision.roi_align(
        features, rois.to(features.dtype), spatial_scale, *size, sampling_ratio, aligned
    )
    output.copy_(result)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input`` (images, channels, h, w); the other arguments as in the forward pass."""
    if pool_mode != 1:
        raise _missing("roi_align_backward with pool_mode='max'")
    gradient = _at_least_float32(grad_output)
    rois = rois.to(gradient.dtype)
    size = (aligned_height, aligned_width)
    if torch.are_deterministic_algorithms_enabled():
        result = _reproducible_roi_align_gradient(
            gradient, rois, grad_input.shape, size, spatial_scale, sampling_ratio, aligned
        )
    else:
        result = torch.ops.torchvision._roi_align_backward(
            gradient, rois, spatial_scale, *size, *grad_input.shape, sampling_ratio, aligned
        )
    grad_input.copy_(result)


def _reproducible_roi_align_gradient(
    gradient: Tensor,
    rois: Tensor,
    shape: torch.Size,
    size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """The gradient by the input, through torchvision's public function.

    On a GPU that has a form made of indexing, slower but the same to the bit every time, which it
    takes while deterministic algorithms are on; its kernel adds in any order.
    """
    with torch.enable_grad():
        # RoIAlign is linear in its input, so the gradient is the same at every input.
        features = gradient.new_zeros(shape).requires_grad_()
        pooled = torchvision.ops.roi_align(
            features, rois, size, spatial_scale, sampling_ratio, aligned
        )
    return torch.autograd.grad(pooled, features, gradient)[0]


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, *, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (samples, classes) with focal losses of the logits ``input``.

    ``target`` is (samples,), a class index, any other number for background. ``weight`` is empty,
    or (classes,): every element of a sample then has the weight of the sample's class.
    """
    output.copy_(_focal_losses(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, *, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` with the derivative of each element's loss by its logit."""
    with torch.enable_grad():
        logits = input.detach().requires_grad_()
        total = _focal_losses(logits, target, weight, gamma, alpha).sum()
    grad_input.copy_(torch.autograd.grad(total, logits)[0])


OPERATORS: dict[str, Callable] = {
    operator.__name__: operator
    for operator in (
        nms,
        roi_align_forward,
        roi_align_backward,
        sigmoid_focal_loss_forward,
        sigmoid_focal_loss_backward,
        box_iou_rotated,
        nms_rotated,
        hard_voxelize_forward,
        dynamic_voxelize_forward,
        dynamic_point_to_voxel_forward,
        dynamic_point_to_voxel_backward,
    )
}


def install_operators() -> bool:
    """Put the operators in place unless mmcv has its own; returns whether they are ours.

    Raises:
        MissingDetectionError: if a compiled mmcv is installed but cannot be loaded.
    """
    if importlib.util.find_spec(EXTENSION) is None:
        spec = importlib.machinery.ModuleSpec(EXTENSION, _Loader(), origin=__name__)
        module = importlib.util.module_from_spec(spec)
        sys.modules[EXTENSION] = module
        # What the import system does for a submodule.
        importlib.import_module("mmcv")._ext = module
        return True
    try:
        return isinstance(importlib.import_module(EXTENSION), _Substitute)
    except ImportError as error:
        raise MissingDetectionError(
            f"a compiled mmcv is installed but does not load ({error}), probably because it was "
            f"built for another torch than {torch.__version__}: build it again, or replace it by "
            "the pure-Python one: pip uninstall mmcv && pip install mmcv-lite==2.1.0"
        ) from error


class _Substitute(ModuleType):
    """Has every operator by name; those not in ``OPERATORS`` raise when called."""

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in OPERATORS:
            return OPERATORS[name]

        def unavailable(*args, **kwargs):
            raise _missing(name)

        return unavailable


class _Loader(importlib.abc.Loader):
    # mmengine and mmcv find out through pkgutil whether the extension can be loaded.
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Substitute(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def _missing(name: str) -> MissingOperatorError:
    return MissingOperatorError(
        f"the operator {name} of mmcv is not available: this environment has mmcv-lite, and "
        f"polyrepro provides {', '.join(OPERATORS)} only. Install the compiled mmcv "
        "(pip uninstall mmcv-lite && pip install mmcv==2.1.0; building it takes long and needs a "
        "compiler), or choose a model that does without this operator."
    )


def _at_least_float32(tensor: Tensor) -> Tensor:
    """torchvision's CPU kernels have no half precision."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32)).contiguous()


def _focal_losses(
    logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    classes = torch.arange(logits.shape[1], device=target.device)
    positive = (target[:, None] == classes).to(torch.float32)
    losses = poly_binary_cross_entropy(logits, positive, gamma=gamma, alpha=alpha, reduction="none")
    if weight.numel() == 0:
        return losses
    # Background has no class of its own, and counts with weight 1.
    padded = torch.cat([weight, weight.new_ones(1)])
    known = (target >= 0) & (target < len(weight))
    return losses * padded[torch.where(known, target, len(weight))][:, None]
