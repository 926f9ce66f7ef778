"""A report of made-up results."""

from pathlib import Path

import pytest
from made_up_results import made_up_record, write_results

from polyrepro import report
from polyrepro.analysis import metrics_table
from polyrepro.analysis.reference_folders import reference_folders
from polyrepro.data.manifests import write_manifest
from polyrepro.figures import draw
from polyrepro.files import data_folder
from polyrepro.plan import Plan
from polyrepro.settings import check_settings

ENVIRONMENT = {
    "python": "3.11",
    "platform": "Linux",
    "processor": "a processor",
    "threads": 1,
    "versions": {"torch": "2"},
    "commit": "abc",
    "training_source_sha256": "0" * 64,
}
DATE = "86400"


@pytest.fixture(scope="session")
def plan(tmp_path_factory):
    """A finished truncation study with three seeds, and its figures."""
    folder = tmp_path_factory.mktemp("report")
    settings = {"scale": "embedded", "studies": "truncation", "seeds": 3, "runs_per_job": 1}
    plan = Plan(check_settings(settings | {"results": str(folder)}))
    write_results(folder, seeds=3, studies="truncation")
    images = {"train": 18000, "validation": 2000, "test": 8000}
    splits = {name: {"images": count, "sha256": "ab" * 32} for name, count in images.items()}
    write_manifest(data_folder(folder, "kanji"), {"dataset": "kanji", "splits": splits})
    references = reference_folders(folder, "embedded", [])
    for name in ("losses", "forest", "truncation", "truncation_variants"):
        draw(name, folder, references)
    return plan


def patch_records(patch):
    """Records as the report reads them, and its date."""

    def read(settings, run):
        more = {"environment": ENVIRONMENT, "device": "cpu", "series_source_sha256": None}
        return made_up_record(run) | more

    patch.setattr(metrics_table, "read_record", read)
    patch.setenv("SOURCE_DATE_EPOCH", DATE)


@pytest.fixture(autouse=True)
def _records(monkeypatch):
    patch_records(monkeypatch)


@pytest.fixture(scope="session")
def page(plan):
    """The page of the report, in its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch_records(patch)
        report.write_report(plan)
    return Path(plan.settings.results) / "report.html"
