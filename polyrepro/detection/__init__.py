"""PolyLoss in MMDetection 3 and MMDetection3D: losses, hooks, and operators without a compiler.

Importing this package is all it takes; in a configuration of MMDetection::

    custom_imports = dict(imports=["polyrepro.detection"])

It needs MMDetection; the rest of polyrepro does not, and imports nothing from here. MMDetection3D
is prepared if it is installed, and imported when a configuration names it.
"""

# ruff: noqa: E402 - MMDetection can be imported only once the operators are in place.
from polyrepro.detection.requirements import require_mmdetection

require_mmdetection()

from polyrepro.detection.operators.mmcv_operators import install_operators

install_operators()

from polyrepro.detection.lidar.mmdetection3d import prepare_mmdetection3d

prepare_mmdetection3d()

from polyrepro.detection.hooks import (
    ClassCountHook,
    EpochSeedHook,
    FiniteLossHook,
    PolyLossHook,
    TargetProbabilityHook,
)
from polyrepro.detection.hooks.poly_loss import replace_losses
from polyrepro.detection.losses import PolyCrossEntropyLoss, PolyFocalLoss
from polyrepro.detection.registration import register_in_scopes
from polyrepro.detection.safe_loading import install_safe_loading

install_safe_loading()
for _loss in (PolyCrossEntropyLoss, PolyFocalLoss):
    register_in_scopes("MODELS", _loss)
for _hook in (ClassCountHook, EpochSeedHook, FiniteLossHook, PolyLossHook, TargetProbabilityHook):
    register_in_scopes("HOOKS", _hook)

__all__ = [
    "ClassCountHook",
    "EpochSeedHook",
    "FiniteLossHook",
    "PolyCrossEntropyLoss",
    "PolyFocalLoss",
    "PolyLossHook",
    "TargetProbabilityHook",
    "replace_losses",
]
