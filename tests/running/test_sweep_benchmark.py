"""benchmarks/sweep.py: a tiny measurement with made-up costs of its commands."""

import importlib.util
import sys
from pathlib import Path

import pandas
import pytest

from polyrepro.plan import parse_run_id
from polyrepro.settings import Overrides

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("sweep", ROOT / "benchmarks/sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ratios_are_those_of_all_runs_in_both_kinds_of_seconds(
    benchmark, tmp_path, monkeypatch, capsys
):
    commands = []

    def cost(device, run_ids, changes):
        commands.append(run_ids)
        # Imports of 6 seconds, on a machine that is busy with something else.
        processor = 6.0 + 2.0 * len(run_ids)
        return benchmark.Cost(wall=1.5 * processor + len(commands), processor=processor)

    monkeypatch.setattr(benchmark, "command_cost", cost)
    words = ["--seeds", "3", "--processes", "5", "--train-images", "256"]
    monkeypatch.setattr(sys, "argv", ["sweep.py", *words, "--output", str(tmp_path)])
    benchmark.main()
    together, *alone = commands
    assert len(set(together)) == 24 and {len(one) for one in alone} == {1}
    assert len(alone) == 5 and {one for (one,) in alone} <= set(together)
    for run_id in together:
        parse_run_id(run_id, Overrides())
    (row,) = pandas.read_csv(tmp_path / "sweep.csv").to_dict("records")
    assert row["processor_ratio"] == pytest.approx(24 * 8 / 54, abs=1e-3)
    # Four seconds more for the mean of the second to the sixth command, one for the first.
    assert row["wall_ratio"] == pytest.approx(24 * (12 + 4) / (81 + 1), abs=1e-3)
    assert row["evaluation"] > 0 and row["rest"] > 0
    assert "54.0 s of processors in one process and 8.0 s each" in capsys.readouterr().out
