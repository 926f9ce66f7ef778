"""Entry into MMDetection's registries without hiding anybody else's class."""

import importlib

from mmengine.registry import Registry

from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.lidar.mmdetection3d import reason_it_cannot_be_used


def register_in_scopes(registry: str, entry: type) -> None:
    """Register a class with MMDetection and, if it can be used, with MMDetection3D.

    Neither finds what is in the other's registries only.

    Args:
        registry: its name in both, such as ``MODELS``.

    Raises:
        DetectionError: as :func:`register`.
    """
    scopes = ["mmdet"] if reason_it_cannot_be_used() else ["mmdet", "mmdet3d"]
    for scope in scopes:
        register(getattr(importlib.import_module(f"{scope}.registry"), registry), entry)


def register(registry: Registry, entry: type) -> type:
    """Register a class under its own name; usable again for the same class.

    Raises:
        DetectionError: if the name means another class, here or in a registry that this one falls
            back on, where configurations would silently get ours instead.
    """
    name = entry.__name__
    level = registry
    while level is not None:
        existing = level.module_dict.get(name)
        if existing is not None and not _is_same(existing, entry):
            raise DetectionError(
                f"{name!r} is already registered in the registry {level.name!r} of {level.scope} "
                f"as {existing.__module__}.{existing.__qualname__}; polyrepro would hide it. "
                "Register that class under another name, or import only one of the two packages."
            )
        level = level.parent
    registry.register_module(name=name, module=entry, force=True)
    return entry


def _is_same(existing: type, entry: type) -> bool:
    """Also true after a module was loaded again, as notebooks do."""
    return (existing.__module__, existing.__qualname__) == (entry.__module__, entry.__qualname__)
