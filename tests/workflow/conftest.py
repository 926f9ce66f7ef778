"""A project in which the tiny configuration has run, made once for all tests of the workflow."""

import pytest
from project_copy import TINY, copy_project, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Its folder, and what Snakemake printed. Tests leave the sources as they found them."""
    folder = copy_project(tmp_path_factory.mktemp("project"))
    process = snakemake(folder, config=TINY | {"results": "results/tiny"})
    assert process.returncode == 0, process.stdout + process.stderr
    return folder, process.stdout + process.stderr
