from pathlib import Path

import pytest
from small_detectors import write_scenes


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A folder with four small images and ``scenes.json``."""
    return write_scenes(tmp_path_factory.mktemp("scenes"))
