"""What is made again after a change, and nothing else: one edit per stage, jobs counted."""

import json
import shutil

import pytest
from project_copy import job_counts, snakemake

pytestmark = pytest.mark.xdist_group("workflow")

FIGURES = {"figure_truncation": 1, "figure_poly_n": 1}
DRAWN = FIGURES | {"figure_losses": 1}
ANALYSED = {"collect": 1, "statistics": 1, "claims": 1} | FIGURES
# Two selections follow each other, and so do the jobs that wait for them; these train nothing.
SEARCHED = {"select": 2, "train": 2} | ANALYSED


def planned(folder):
    """The jobs of a dry run, without those that are always there."""
    process = snakemake(folder, "-n")
    assert process.returncode == 0, process.stdout + process.stderr
    if "Nothing to be done" in process.stdout + process.stderr:
        return {}
    counts = job_counts(process.stdout)
    return {name: n for name, n in counts.items() if name not in ("all", "report", "total")}


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("studies/truncation.py", "costs accuracy", "costs much accuracy", {"claims": 1}),
        ("studies/truncation.py", "sign=-1", "sign=1", {"claims": 1}),
        ("studies/truncation.py", 'title="Truncation', 'title="The truncation', {}),
        ("studies/poly_n.py", "4.0)\n\nF", "5.0)\n\nF", SEARCHED),
        ("analysis/metrics_table.py", "import json", "import json  # x", SEARCHED),
        ("analysis/selection.py", "import Path", "import Path  # x", SEARCHED),
        (
            "analysis/statistics.py",
            "CONFIDENCE = 0.95",
            "CONFIDENCE = 0.90",
            {"statistics": 1, "claims": 1} | DRAWN,
        ),
        ("analysis/claims.py", "import math", "import math  # x", {"claims": 1}),
        ("analysis/published.py", "import Path", "import Path  # x", {"claims": 1}),
        ("figures/truncation.py", "import style", "import style  # x", {"figure_truncation": 1}),
        ("figures/style.py", "import io", "import io  # x", DRAWN),
        ("losses/series.py", "import torch", "import torch  # x", {"figure_losses": 1}),
        ("report/findings.py", "import pandas", "import pandas  ", {}),
        ("report/summary.py", '"""summary.md', '"""The summary.md', {}),
    ],
)
def test_an_edit(finished, path, old, new, expected):
    """Report and `all` follow every change; they are left out of what is expected."""
    folder, _ = finished
    source = folder / "polyrepro" / path
    before = source.read_text()
    assert old in before
    try:
        source.write_text(before.replace(old, new, 1))
        process = snakemake(folder, "-n")
        counts = job_counts(process.stdout)
        assert counts.pop("report") == counts.pop("all") == 1
        counts.pop("total")
        # A whole stage that selection code touches is searched again, which draws the losses too,
        # because style and statistics share the reading of tables.
        counts = {n: c for n, c in counts.items() if n in expected or n != "figure_losses"}
        assert counts == expected
    finally:
        source.write_text(before)


@pytest.mark.parametrize("name", ["report/sections/limits.typ", "results/published/numbers.csv"])
def test_text_and_published_numbers_rebuild_the_report(finished, name):
    folder, _ = finished
    before = (folder / name).read_text()
    try:
        (folder / name).write_text(before + "\n")
        assert set(planned(folder)) <= {"claims"}
        assert "report" in job_counts(snakemake(folder, "-n").stdout)
    finally:
        (folder / name).write_text(before)


def test_how_it_is_run_rebuilds_nothing(finished):
    folder, _ = finished
    before = (folder / "tiny.yaml").read_text()
    try:
        (folder / "tiny.yaml").write_text(before + "cpus_per_process: 2\n")
        counts = job_counts(snakemake(folder, "-n").stdout)
        assert counts == {"settings": 1, "total": 1}
    finally:
        (folder / "tiny.yaml").write_text(before)


def test_a_record_removed_by_hand_is_trained_again(finished):
    folder, _ = finished
    results = folder / "results/tiny"
    shutil.copytree(results, folder / "kept", symlinks=True)
    run = results / "runs/fashion_mnist/truncated_n5/seed1"
    try:
        shutil.rmtree(run.resolve())
        receipts = [
            p for p in (results / "batches").iterdir() if "truncated_n5/seed1" in p.read_text()
        ]
        process = snakemake(folder, str(receipts[0].relative_to(folder)))
        assert process.returncode == 0, process.stderr
        record = json.loads((run / "record.json").read_text())
        before = json.loads(
            (folder / "kept/runs/fashion_mnist/truncated_n5/seed1/record.json").read_text()
        )
        assert record["identity"] == before["identity"]
    finally:
        shutil.rmtree(results)
        (folder / "kept").rename(results)
