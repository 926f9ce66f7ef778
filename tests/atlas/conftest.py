from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def atlas(project_with_atlas) -> Path:
    """A results folder with the files of the rule `atlas`."""
    return project_with_atlas / "results/tiny"
