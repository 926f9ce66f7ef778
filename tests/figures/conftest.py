"""Made-up results that the figures are drawn from."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from made_up_results import write_results

from polyrepro.figures import measured


@pytest.fixture(autouse=True, scope="session")
def _tables_are_read_once():
    """Some hundred figures are drawn from the same few folders; each gets a copy of its own."""
    read, known = measured.read_tables, {}

    def read_once(results: Path) -> measured.Tables:
        files = [(results / name).stat() for name in ("metrics.csv", "statistics.csv")]
        key = (results, *((file.st_mtime_ns, file.st_size) for file in files))
        if key not in known:
            known[key] = read(results)
        tables = known[key]
        return measured.Tables(tables.metrics.copy(), tables.statistics.copy(), results)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured, "read_tables", read_once)
        yield


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Path:
    """A results folder with three seeds of everything."""
    return write_results(tmp_path_factory.mktemp("three_seeds"), seeds=3)


@pytest.fixture(scope="session")
def single_seed_results(tmp_path_factory) -> Path:
    """A results folder in which no mean has an interval."""
    return write_results(tmp_path_factory.mktemp("one_seed"), seeds=1)


@pytest.fixture(scope="session")
def cut_results(results, tmp_path_factory) -> Path:
    """The first of them, in which parts of every grid are missing, selected losses among them."""
    without = (
        "poly1_e+2",
        "poly1_e+2_g2",
        "poly3_e+1",
        "truncated_n10",
        "truncated_n1000",
        "truncated_n100_lr_x2",
    )
    folder = shutil.copytree(results, tmp_path_factory.mktemp("cut") / "results")
    for path in (folder / "metrics.csv", folder / "statistics.csv"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table[~table["variant"].isin(without)].to_csv(path, index=False)
    return folder


@pytest.fixture(scope="session")
def two_sources(tmp_path_factory) -> tuple[Path, ...]:
    """Folders to be shown beside others: five seeds of another scale, and two of the same one."""
    full = tmp_path_factory.mktemp("full")
    studies = "truncation,epsilon_sweep,baselines,mask_rcnn_epsilon"
    write_results(full, seeds=5, scale="embedded_full", studies=studies)
    again = write_results(tmp_path_factory.mktemp("again"), seeds=2, studies="truncation")
    return full, again
