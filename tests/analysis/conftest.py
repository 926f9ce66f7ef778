"""Tests of tables judge the small studies; those that ask for `real_studies`, the real ones."""

import pytest
from small_studies import SMALL_STUDIES
from tidy_tables import full_table

from polyrepro.studies import STUDIES


@pytest.fixture(autouse=True)
def small_studies(request):
    """The register of studies holds the small ones during a test, and the real ones in their order
    after it."""
    if "real_studies" in request.fixturenames:
        yield
        return
    real = dict(STUDIES)
    _hold(SMALL_STUDIES)
    yield
    _hold(real)


def _hold(studies):
    STUDIES.clear()
    STUDIES.update(studies)


@pytest.fixture
def real_studies():
    """The studies of the package."""
    return STUDIES


@pytest.fixture(scope="session")
def table():
    """The accuracies of a small study, three seeds of each variant."""
    return full_table("truncation", {}, seeds=3).query("metric == 'top1'").reset_index(drop=True)
