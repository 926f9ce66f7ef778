"""What is made again after a change, and nothing else: one edit per stage, jobs counted."""

import json
import shutil

import pytest
from project_copy import job_counts, snakemake

STUDIES = ("truncation", "poly_n", "truncation_variants", "poly_n_variants")
FIGURES = {f"figure_{name}": 1 for name in STUDIES}
JUDGED = {"claims": 1, "figure_forest": 1}
DRAWN = FIGURES | {"figure_losses": 1, "figure_forest": 1, "atlas": 1}
ANALYSED = {"collect": 1, "statistics": 1} | JUDGED | FIGURES
# Two selections follow each other, and so do the jobs that wait for them; these train nothing.
SEARCHED = {"select": 2, "train": 2} | ANALYSED


def planned(folder):
    """The jobs of a dry run."""
    process = snakemake(folder, "-n")
    assert process.returncode == 0, process.stdout + process.stderr
    if "Nothing to be done" in process.stdout + process.stderr:
        return {}
    counts = job_counts(process.stdout)
    counts.pop("total")
    return counts


def edit(path, old, new):
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("studies/truncation.py", "costs accuracy", "costs much accuracy", JUDGED),
        ("studies/truncation.py", "sign=-1", "sign=1", JUDGED),
        ("studies/truncation.py", 'title="Truncation', 'title="The truncation', {}),
        (
            "studies/truncation.py",
            "MATCH_MARGIN = 1.0",
            "MATCH_MARGIN = 2.0",
            JUDGED | {"figure_truncation": 1, "figure_truncation_variants": 1},
        ),
        ("analysis/metrics_table.py", "import json", "import json  # x", SEARCHED),
        ("analysis/selection.py", "import Path", "import Path  # x", SEARCHED),
        (
            "analysis/significance.py",
            "SIGNIFICANCE = 0.05",
            "SIGNIFICANCE = 0.10",
            {"statistics": 1} | JUDGED | DRAWN,
        ),
        ("analysis/claims.py", "import math", "import math  # x", JUDGED),
        ("analysis/published.py", "import Path", "import Path  # x", JUDGED),
        ("figures/truncation.py", "import scales", "import  scales", {"figure_truncation": 1}),
        ("figures/style.py", "import math", "import math  # x", DRAWN),
        ("losses/series.py", "import torch", "import torch  # x", {"figure_losses": 1, "atlas": 1}),
        ("report/findings.py", "import pandas", "import pandas  ", {}),
        ("../workflow/report/truncation.rst", "Only", "Here only", {}),
        ("../report/sections/limits.typ", "=", "= ", {}),
        ("../results/published/numbers.csv", "id", "id ", JUDGED),
        ("../config/paper.yaml", "seeds: 3", "seeds: 4", JUDGED),
    ],
)
def test_an_edit_rebuilds_what_depends_on_it(project, path, old, new, expected):
    edit(project / "polyrepro" / path, old, new)
    assert planned(project) == expected | {"report": 1, "all": 1}


def test_how_it_is_run_rebuilds_nothing(project):
    edit(project / "tiny.yaml", "seeds: 2", "seeds: 2\ncpus_per_process: 2")
    assert planned(project) == {}


def test_a_figure_without_a_caption_is_refused_before_anything_is_trained(project):
    (project / "workflow/report/poly_n.rst").unlink()
    process = snakemake(project, "-n")
    assert process.returncode != 0
    assert "figure 'poly_n' has no caption; write one" in process.stdout + process.stderr


def test_a_record_removed_by_hand_is_trained_again(project):
    run = project / "results/tiny/runs/kanji/truncated_n100/seed1"
    before = json.loads((run / "record.json").read_text())
    shutil.rmtree(run.resolve())
    counts = planned(project)
    assert counts["train"] == counts["collect"] == 1
    process = snakemake(project, "results/tiny/batches/kanji-00.json")
    assert process.returncode == 0, process.stderr
    after = json.loads((run / "record.json").read_text())
    assert after["identity"] == before["identity"]
    assert after["history"][-1]["top1"] == before["history"][-1]["top1"]


def test_a_selection_changed_by_hand_is_refused_by_the_table(project):
    path = project / "results/tiny/selections/best_poly_n1.json"
    selection = json.loads(path.read_text())
    path.write_text(json.dumps(selection | {"epsilon": [9.0]}))
    (project / "results/tiny/metrics.csv").unlink()
    process = snakemake(project, "results/tiny/metrics.csv", "--allowed-rules", "collect")
    assert process.returncode != 0
    assert "best_poly_n1.json does not follow from the records" in process.stdout + process.stderr
