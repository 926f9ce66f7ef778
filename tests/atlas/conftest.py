import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def atlas(tmp_path_factory) -> Path:
    """A results folder with the files of `polyrepro atlas`, made once for all test processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    results = shared / "results_of_atlas"
    with FileLock(shared / "atlas.lock"):
        if not (results / "atlas/properties.csv").exists():
            environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": "1"}
            words = [sys.executable, "-m", "polyrepro", "atlas", "--output", results / "atlas"]
            subprocess.run(words, env=environment, check=True)
    return results
