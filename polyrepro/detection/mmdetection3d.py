"""MMDetection3D, if it is installed: what it needs to work here, and what to install if not."""

import importlib
import importlib.util
import sys
from functools import cache

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from polyrepro.detection.errors import MissingDetectionError
from polyrepro.detection.stand_ins import install_stand_ins
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
    sys.modules[KITTI_IOU] = importlib.import_module("polyrepro.detection.kitti_iou")
    register_module_module_registration_hook(_let_poly_focal_be_focal)


def is_anchor3d_head(module: nn.Module) -> bool:
    """Whether a module is an ``Anchor3DHead``, told without importing the class."""
    return any(base.__name__ == "Anchor3DHead" for base in type(module).__mro__)


def _let_poly_focal_be_focal(head: nn.Module, name: str, loss: nn.Module | None) -> None:
    """Let ``Anchor3DHead`` treat a ``PolyFocalLoss`` of its configuration as the focal loss.

    It compares the loss's type with two words. For any other it expects a sampler, and divides by
    the number of samples instead of positives.
    """
    if type(loss).__name__ == "PolyFocalLoss" and name == "loss_cls" and is_anchor3d_head(head):
        head.sampling = False
