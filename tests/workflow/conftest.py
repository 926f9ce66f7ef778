"""A project in which the tiny configuration has run, made once for all tests of the workflow."""

import shutil

import pytest
from project_copy import snakemake


@pytest.fixture(scope="session")
def finished(project_with_atlas):
    """Its folder, and what Snakemake printed; tests only look at it."""
    process = snakemake(project_with_atlas)
    assert process.returncode == 0, process.stdout + process.stderr
    return project_with_atlas, process.stdout + process.stderr


@pytest.fixture
def project(finished, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(finished[0], tmp_path / "project", symlinks=True)
