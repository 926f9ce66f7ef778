"""MMDetection3D, if it is installed: what it needs to work here, and what to install if not."""

import importlib
import importlib.util
import sys
from functools import cache

from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook

from polyrepro.detection.detection_errors import MissingDetectionError
from polyrepro.detection.lidar.stand_ins import install_stand_ins
from polyrepro.extras import how_to_install

MODULES = ("mmdet3d", "numba")
KITTI_IOU = "mmdet3d.evaluation.functional.kitti_utils.rotate_iou"


@cache
def reason_it_cannot_be_used() -> str | None:
    """Why MMDetection3D cannot be used; None if it can. Imports only its version and registries."""
    missing = [name for name in MODULES if importlib.util.find_spec(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    try:
        importlib.import_module("mmdet3d.registry")
    except (ImportError, AssertionError) as error:  # it asserts the versions of its companions
        return f"it is installed but cannot be imported ({error})"
    return None


def require_mmdetection3d() -> None:
    """Check that MMDetection3D can be used.

    Raises:
        MissingDetectionError: naming what is missing, or why it cannot be imported.
    """
    reason = reason_it_cannot_be_used()
    if reason:
        raise MissingDetectionError(
            f"3D detection needs MMDetection3D, but {reason}; run {how_to_install('detection3d')}. "
            "The rest of polyrepro works without it."
        )


@cache
def prepare_mmdetection3d() -> None:
    """Make it importable and complete, without importing its models and data sets."""
    if reason_it_cannot_be_used():
        return
    install_stand_ins()
    sys.modules[KITTI_IOU] = importlib.import_module("polyrepro.detection.operators.kitti_iou")
    register_module_module_registration_hook(_adapt)


def is_anchor3d_head(module: nn.Module) -> bool:
    """Whether a module is an ``Anchor3DHead``, found out without importing the class."""
    return any(base.__name__ == "Anchor3DHead" for base in type(module).__mro__)


def _adapt(owner: nn.Module, name: str, part: nn.Module | None) -> None:
    """Called by torch whenever a module becomes part of another."""
    if name == "loss_cls" and type(part).__name__ == "PolyFocalLoss" and is_anchor3d_head(owner):
        # The head compares the type in the configuration with two words. For any other it expects
        # a sampler, and divides by the number of samples instead of positives.
        owner.sampling = False
    if name == "voxel_layer" and type(part).__name__ == "VoxelizationByGridShape":
        part.register_forward_hook(_one_voxel_at_least)


def _one_voxel_at_least(
    layer: nn.Module, points: tuple[Tensor], output: Tensor | tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor] | None:
    """For a scene without points, the voxel in the corner with one point of zeros.

    Detectors of MMDetection3D take the number of scenes in a batch from the last voxel's.
    """
    if not isinstance(output, tuple) or len(output[0]):
        return None
    voxels, cells, counts = output
    return voxels.new_zeros(1, *voxels.shape[1:]), cells.new_zeros(1, 3), counts.new_ones(1)
