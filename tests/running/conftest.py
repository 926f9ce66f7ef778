"""A plan of ten runs, of which nothing has been trained."""

import pytest

from polyrepro.plan import Plan
from polyrepro.settings import check_settings


@pytest.fixture
def plan(tmp_path):
    given = {"scale": "embedded", "studies": "truncation", "seeds": 2, "runs_per_job": 4}
    return Plan(check_settings(given | {"results": str(tmp_path)}))
