"""What is committed of a finished configuration."""

import json
import runpy
import sys

import pandas as pd
import pytest

SCRIPT = "scripts/save_reference.py"


def row(run, seed, metric, value, study="a", split="test"):
    recipe, variant, _ = run.split("/")
    keys = {"study": study, "recipe": recipe, "variant": variant, "label": variant, "seed": seed}
    return keys | {"run": run, "metric": metric, "split": split, "epoch": 1.0, "value": value}


def save(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [SCRIPT, *map(str, arguments)])
    runpy.run_path(SCRIPT, run_name="__main__")


def test_tables_provenance_and_one_row_per_run_are_saved(tmp_path, monkeypatch):
    results, reference = tmp_path / "results", tmp_path / "reference"
    (results / "figures").mkdir(parents=True)
    rows = [
        row("kanji/cross_entropy/seed0", 0, "top1", 70.12345),
        row("kanji/cross_entropy/seed0", 0, "top1", 70.12345, study="b"),  # shared
        row("kanji/cross_entropy/seed0", 0, "mean_pt", 0.5),
        row("kanji/cross_entropy/seed0", 0, "loss", 1.0, split="train"),
    ]
    pd.DataFrame(rows).to_csv(results / "metrics.csv", index=False)
    for name in ("claims.csv", "statistics.csv", "summary.md", "figures/forest.png"):
        (results / name).write_text(name)
    (results / "report.json").write_text(json.dumps({"provenance": {"runs": 1}}))
    save(monkeypatch, results, reference, "--figures", "forest")
    assert (reference / "forest.png").read_text() == "figures/forest.png"
    assert json.loads((reference / "provenance.json").read_text()) == {"runs": 1}
    runs = pd.read_csv(reference / "runs.csv")
    assert list(runs.columns) == ["recipe", "variant", "label", "seed", "mean_pt", "top1"]
    assert runs["top1"].tolist() == [70.1234] and runs["mean_pt"].tolist() == [0.5]


def test_a_folder_without_a_report_is_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        save(monkeypatch, tmp_path, tmp_path / "reference")
    assert "make the report first" in capsys.readouterr().err
