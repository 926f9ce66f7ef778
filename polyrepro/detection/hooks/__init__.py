"""Hooks for MMDetection's runner; ``import polyrepro.detection`` registers all of them."""

from polyrepro.detection.hooks.class_count import ClassCountHook
from polyrepro.detection.hooks.epoch_seed import EpochSeedHook
from polyrepro.detection.hooks.finite_loss import FiniteLossHook
from polyrepro.detection.hooks.poly_loss import PolyLossHook
from polyrepro.detection.hooks.target_probability import TargetProbabilityHook

__all__ = [
    "ClassCountHook",
    "EpochSeedHook",
    "FiniteLossHook",
    "PolyLossHook",
    "TargetProbabilityHook",
]
