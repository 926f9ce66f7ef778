import importlib.util
from pathlib import Path

import pytest
from small_detectors import write_scenes


@pytest.fixture(autouse=True, scope="session")
def _names_are_those_of_mmdetection() -> None:
    """A runner does this; tests that only build models need it, too."""
    if importlib.util.find_spec("mmengine") is not None:
        from mmengine.registry import init_default_scope

        init_default_scope("mmdet")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A folder with four small images and ``scenes.json``."""
    return write_scenes(tmp_path_factory.mktemp("scenes"))
