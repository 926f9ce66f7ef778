"""A project in which the tiny configuration has run, made once for all tests of the workflow."""

import shutil

import pytest
from project_copy import TINY, copy_project, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Its folder, and what Snakemake printed; tests only look at it."""
    folder = copy_project(tmp_path_factory.mktemp("project"))
    process = snakemake(folder, config=TINY | {"results": "results/tiny"})
    assert process.returncode == 0, process.stdout + process.stderr
    return folder, process.stdout + process.stderr


@pytest.fixture
def project(finished, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(finished[0], tmp_path / "project", symlinks=True)
