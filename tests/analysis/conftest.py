"""Tests of tables judge the small studies; those that ask for `real_studies`, the real ones."""

import pytest
from small_studies import SMALL_STUDIES

from polyrepro.studies import STUDIES


@pytest.fixture(autouse=True)
def small_studies(request, monkeypatch):
    """The register of studies holds the small ones during a test."""
    if "real_studies" in request.fixturenames:
        return
    for name in list(STUDIES):
        monkeypatch.delitem(STUDIES, name)
    for name, study in SMALL_STUDIES.items():
        monkeypatch.setitem(STUDIES, name, study)


@pytest.fixture
def real_studies():
    """The studies of the package."""
    return STUDIES
