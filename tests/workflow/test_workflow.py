"""The whole workflow, end to end, on a tiny configuration of the real thing."""

import json
import os
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml
from project_copy import ROOT, SNAKEMAKE, TINY, copy_project, job_counts, snakemake


def test_jobs_are_counted(finished):
    """42 runs: 5 variants of 2 seeds on many classes and 16 on few, 20 runs per job at most."""
    folder, printed = finished
    counts = job_counts(printed)
    assert counts["train"] == 4  # 10 runs; 16 without a selection before them, then 8, then 8
    assert counts["select"] == 2
    for rule in ("verify_data", "collect", "statistics", "claims", "report", "all"):
        assert counts[rule] == 1
    figures = {name for name in counts if name.startswith("figure_")}
    own = {"figure_losses", "figure_forest", "figure_truncation", "figure_poly_n"}
    assert figures == own | {"figure_truncation_variants", "figure_poly_n_variants"}
    assert len(list((folder / "results/tiny/runs").rglob("record.json"))) == 42


def test_outputs_are_complete(finished):
    results = finished[0] / "results/tiny"
    assert (results / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "Keeping only a few terms" in (results / "summary.md").read_text()
    for name in ("losses", "truncation", "poly_n"):
        assert (results / f"figures/{name}.pdf").stat().st_size > 5000
        assert (results / f"figures/{name}.png").stat().st_size > 5000
    metrics = pd.read_csv(results / "metrics.csv")
    expected = {"study", "variant", "seed", "dataset", "model", "metric", "split", "epoch", "value"}
    assert expected <= set(metrics.columns)
    key = ["study", "run", "metric", "split", "epoch"]
    assert not metrics.duplicated(key).any() and metrics["value"].notna().all()


def test_numbers_of_the_report_go_back_to_run_records(finished):
    """One number all the way: record -> metrics.csv -> statistics.csv -> report.json."""
    results = finished[0] / "results/tiny"
    values = []
    for seed in (0, 1):
        record = json.loads(
            (results / f"runs/kanji/truncated_n100/seed{seed}/record.json").read_text()
        )
        values += [r["top1"] for r in record["history"] if r["split"] == "test"]
    statistics = pd.read_csv(results / "statistics.csv").set_index(
        ["study", "variant", "metric", "split"]
    )
    row = statistics.loc[("truncation", "truncated_n100", "top1", "test")]
    assert row["mean"] == pytest.approx(sum(values) / 2)
    study = json.loads((results / "report.json").read_text())["studies"]["truncation"]
    (shown,) = [r for r in study["rows"] if r["label"] == "first 100 terms"]
    assert shown["cells"][0]["value"].startswith(f"{sum(values) / 2:.2f} ± ")


def test_greedy_search_keeps_what_it_chose(finished):
    results = finished[0] / "results/tiny"
    first = json.loads((results / "selections/best_poly_n1.json").read_text())
    scores = first["validation_top1"]
    assert scores[first["winner"]] == max(scores.values())
    record = json.loads((results / "runs/fashion_mnist/poly2_e+1/seed0/record.json").read_text())
    assert record["loss"]["arguments"]["epsilon"] == [*first["epsilon"], 1.0]
    third = json.loads((results / "runs/fashion_mnist/poly3_e+2/seed1/record.json").read_text())
    second = json.loads((results / "selections/best_poly_n2.json").read_text())
    assert third["loss"]["arguments"]["epsilon"] == [*second["epsilon"], 2.0]
    assert len(second["epsilon"]) == 2


def test_second_run_does_nothing(finished):
    process = snakemake(finished[0])
    assert process.returncode == 0
    assert "Nothing to be done" in process.stdout + process.stderr


def test_a_report_of_what_has_finished(project):
    """Two records are gone: a plain run, and one that a selection, so 16 runs after it, needs."""
    results = project / "results/tiny"
    runs = results / "runs"
    for gone in ("kanji/truncated_n100/seed1", "fashion_mnist/poly1_e+1/seed0"):
        (runs / gone / "record.json").unlink()
    before = sorted(runs.rglob("record.json"))
    process = snakemake(project, "--config", "finished_only=true")
    printed = process.stdout + process.stderr
    assert process.returncode == 0, printed
    assert "The report is results/tiny/report.pdf" in printed
    assert sorted(runs.rglob("record.json")) == before
    missing = json.loads((results / "report.json").read_text())["provenance"]["missing"]
    assert len(missing) == 18 and "kanji/truncated_n100/seed1" in missing
    assert "**18 runs have not finished" in (results / "summary.md").read_text()
    statistics = pd.read_csv(results / "statistics.csv", dtype={"missing": str})
    rows = statistics[statistics["variant"] == "truncated_n100"]
    assert len(rows) and set(rows["missing"]) == {"1"}


def test_a_report_without_any_run_needs_no_data_and_no_figure_of_a_study(finished):
    options = ["finished_only=true", "results=results/none"]
    process = snakemake(finished[0], "--dry-run", "--printshellcmds", "--config", *options)
    printed = process.stdout + process.stderr
    assert process.returncode == 0, printed
    jobs = ("collect", "statistics", "claims", "figure_losses", "figure_forest", "atlas", "report")
    assert job_counts(printed) == dict.fromkeys((*jobs, "all"), 1) | {"total": len(jobs) + 1}
    assert printed.count("'--without-runs=embedded, overridden'") == 2


def test_snakemake_report_holds_figures_and_captions(finished):
    folder, _ = finished
    process = snakemake(folder, "--report", "report.html")
    assert process.returncode == 0, process.stderr
    text = (folder / "report.html").read_text()
    assert "truncation.png" in text and "report.pdf" in text
    caption = (folder / "workflow/report/truncation.rst").read_text().split()[:4]
    assert " ".join(caption) in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sedes": 3}, "sedes: unknown key; did you mean 'seeds'?"),
        ({"studies": ["poly_m"]}, "unknown study 'poly_m'; did you mean 'poly_n'?"),
    ],
)
def test_a_bad_configuration_stops_before_any_job(tmp_path, change, message):
    folder = copy_project(tmp_path)
    process = snakemake(folder, config=TINY | {"results": "results/tiny"} | change)
    assert process.returncode != 0
    assert message in process.stdout + process.stderr
    assert not (folder / "results/tiny").exists()


def test_a_results_folder_that_cannot_be_written_is_an_error(tmp_path):
    folder = copy_project(tmp_path)
    (folder / "results/tiny").write_text("a file, not a folder")
    process = snakemake(folder, config=TINY | {"results": "results/tiny"})
    assert process.returncode != 0
    assert "results/tiny" in process.stdout + process.stderr
    assert not list(folder.rglob("record.json"))


def test_it_runs_in_a_folder_of_ones_own_with_an_odd_name(tmp_path):
    """`snakemake -s CHECKOUT/Snakefile`: nothing is written to the checkout or looked for here."""
    checkout = tmp_path / "a checkout, [1] = ~ @"
    checkout.mkdir()
    copy_project(checkout)
    before = {path for path in checkout.rglob("*") if "__pycache__" not in path.parts}
    here = tmp_path / "my work, [2] = ~ @"
    here.mkdir()
    config = TINY | {"results": "my results", "studies": ["truncation"], "seeds": 1}
    (here / "tiny.yaml").write_text(yaml.safe_dump(config))
    words = [*SNAKEMAKE, "--cores", "1", "-s", str(checkout / "Snakefile")]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    process = subprocess.run(
        [*words, "--configfile", "tiny.yaml", "--", "my results/claims.csv"],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "few_terms_lose" in (here / "my results/claims.csv").read_text()
    assert {p for p in checkout.rglob("*") if "__pycache__" not in p.parts} == before


def test_a_damaged_data_file_stops_before_training(tmp_path):
    folder = copy_project(tmp_path)
    file = folder / "polyrepro/data/embedded/kanji.npz"
    file.write_bytes(file.read_bytes()[:-100])
    # The whole would wait for its first jobs, and the atlas needs no data.
    metrics = "results/tiny/metrics.csv"
    process = snakemake(folder, metrics, config=TINY | {"results": "results/tiny"})
    assert process.returncode != 0
    assert "kanji.npz is damaged" in process.stdout + process.stderr
    assert not list(folder.rglob("record.json"))


def test_of_two_snakemakes_at_once_the_second_says_why_it_stops(tmp_path):
    folder = copy_project(tmp_path)
    config = TINY | {"results": "results/tiny"}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    environment = os.environ | {"PYTHONPATH": str(folder)}
    words = [*SNAKEMAKE, "--cores", "1", "--configfile", "tiny.yaml"]
    # The whole would begin with the atlas, and wait for it in the end.
    words += ["--", "results/tiny/metrics.csv"]
    first = subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        locks = folder / ".snakemake/locks"
        deadline = time.monotonic() + 60
        while not (locks.exists() and any(locks.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.1)
        second = snakemake(folder)
        assert first.poll() is None, "the first run ended before the second began"
        assert second.returncode != 0
        assert "lock" in (second.stdout + second.stderr).lower()
    finally:
        first.terminate()
        first.wait(timeout=60)


def test_lint_and_formatting_are_clean():
    lint = subprocess.run(
        [*SNAKEMAKE, "--lint"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert lint.returncode == 0, lint.stdout + lint.stderr
    snakefiles = [str(ROOT / "Snakefile"), *map(str, (ROOT / "workflow/rules").glob("*.smk"))]
    check = [sys.executable, "-m", "snakefmt", "--check", *snakefiles]
    formatting = subprocess.run(check, capture_output=True, text=True, check=False)
    assert formatting.returncode == 0, formatting.stdout + formatting.stderr
