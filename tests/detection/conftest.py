import importlib.util
import os
from pathlib import Path

import pytest
import torch
from loss_cases import CLASSES, SAMPLES
from small_runs import write_scenes

# MMDetection3D's numba functions take longer to compile than to run on the few boxes of tests.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")


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


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(3)


@pytest.fixture
def logits(generator):
    return 3 * torch.randn(SAMPLES, CLASSES, generator=generator)


@pytest.fixture
def labels(generator):
    """Class indices of a sigmoid loss: CLASSES is background."""
    return torch.randint(0, CLASSES + 1, (SAMPLES,), generator=generator)


@pytest.fixture
def weight(generator):
    weight = torch.rand(SAMPLES, generator=generator)
    weight[::4] = 0
    return weight
