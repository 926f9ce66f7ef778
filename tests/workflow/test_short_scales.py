"""The affordable scales as Snakemake plans them: the jobs that the estimate prices."""

import pytest
from project_copy import copy_project, job_counts, snakemake

from polyrepro.estimate import GIVEN, estimate, read_throughputs
from polyrepro.plan import Plan
from polyrepro.settings import CONFIGURATIONS, check_settings, read_config

CACHE = {"cache": {"imagenet1k": {"folder": "/nowhere/imagenet1k"}}}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize(
    ("scale", "changes", "data_jobs"),
    [
        ("imagenet_short", CACHE, {"verify_data": 2, "cache_data": 1}),
        ("coco_short", {}, {"verify_data": 1}),
        ("kitti", {}, {"verify_data": 1}),
    ],
)
def test_the_planned_jobs_are_the_priced_runs(project, scale, changes, data_jobs):
    config = read_config(CONFIGURATIONS[scale]) | changes
    planned = snakemake(project, "-n", "--quiet", "rules", config=config)
    assert planned.returncode == 0, planned.stderr
    counts = job_counts(planned.stdout + planned.stderr)
    cost = estimate(Plan(check_settings(config)), read_throughputs(GIVEN, measured=()))
    assert counts["train"] == cost.runs
    assert {rule: n for rule, n in counts.items() if rule.endswith("_data")} == data_jobs


def test_a_cache_that_is_too_small_is_refused_before_any_job(project):
    small = {"imagenet1k": {"folder": "/nowhere", "shorter_side": 224}}
    config = read_config(CONFIGURATIONS["imagenet_short"]) | {"cache": small}
    planned = snakemake(project, "-n", config=config)
    assert planned.returncode == 1
    assert "resnet50_short needs 256; give cache" in planned.stdout + planned.stderr
