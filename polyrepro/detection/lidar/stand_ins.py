"""Stand-ins for packages that MMDetection3D imports but needs for other data sets only.

Its data sets and metrics come with those of nuScenes and Lyft, whose kits pull in about a hundred
packages. An import of such a package by name finds a stand-in here, unless the package itself is
installed. What is taken from it can be looked up and named in annotations, but not called.
"""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from polyrepro.detection.detection_errors import MissingDetectionError

PACKAGES = {
    "lyft_dataset_sdk": "lyft-dataset-sdk",
    "nuscenes": "nuscenes-devkit",
    "pyquaternion": "pyquaternion",
    "trimesh": "trimesh",
}
"""Module to the name under which it is installed."""


class StandIn:
    """Whatever was imported from a package that is not there.

    Raises:
        MissingDetectionError: when it is called.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> "StandIn":
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self._name}.{name}")

    def __call__(self, *args: object, **kwargs: object) -> None:
        package = self._name.partition(".")[0]
        raise MissingDetectionError(
            f"{self._name} is needed, but {package} is not installed: polyrepro uses MMDetection3D "
            f"without it. Run: pip install {PACKAGES[package]}"
        )


class _StandInModule(ModuleType):
    def __getattr__(self, name: str) -> StandIn:
        return getattr(StandIn(self.__name__), name)


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        known = name.partition(".")[0] in PACKAGES
        return ModuleSpec(name, self, origin=__name__, is_package=True) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandInModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def install_stand_ins() -> None:
    """Let imports that nothing else can satisfy find the stand-ins."""
    if not any(type(finder).__qualname__ == _Finder.__qualname__ for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
