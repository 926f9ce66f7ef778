"""Jobs: several runs in one process, records that are there whole or not at all."""

import json

import pytest
import torch

from polyrepro import files
from polyrepro.data import load
from polyrepro.plan import Plan, parse_run_id
from polyrepro.running.current_run import make_current
from polyrepro.running.execution import Execution
from polyrepro.running.jobs import train_batch
from polyrepro.running.processes import Processes
from polyrepro.running.progress import failure_noted
from polyrepro.running.records import RecordError
from polyrepro.running.run_folders import run_folder
from polyrepro.running.status import StatusReader
from polyrepro.settings import check_settings

HERE = Execution(Processes(torch.device("cpu")))


def small_settings(results, **changes):
    """One epoch of a few images; `changes` are other keys of the configuration."""
    settings = {"scale": "embedded", "studies": "all", "seeds": 1, "runs_per_job": 1}
    overrides = {"epochs": 1, "train_images": 300}
    return check_settings(settings | {"results": str(results), "overrides": overrides} | changes)


def test_a_job_trains_only_what_is_missing(tmp_path, capsys):
    ids = ["fashion_mnist/cross_entropy/seed0", "fashion_mnist/truncated_n2/seed0"]
    settings = small_settings(tmp_path)
    train_batch(settings, ids[:1], HERE)
    assert "trained in" in capsys.readouterr().err
    train_batch(settings, ids, HERE, receipt=tmp_path / "receipt.json")
    lines = capsys.readouterr().err.splitlines()
    assert "already finished" in lines[0] and "trained in" in lines[1]
    assert list(json.loads((tmp_path / "receipt.json").read_text())) == ids


def test_a_damaged_record_is_the_failure_of_its_run_alone(tmp_path):
    """The runs after it in the job wait; without the link to the record they were blamed, too."""
    settings = small_settings(tmp_path)
    runs = [run for run in Plan(settings).runs if run.recipe.name == "fashion_mnist"]
    ids = [run.id for run in runs[:2]]
    run, data = parse_run_id(ids[0], settings.overrides), load("fashion_mnist")
    folder = run_folder(tmp_path, run, data.citation)
    folder.mkdir(parents=True)
    (folder / "record.json").write_text('{"schema": 3')
    for linked in (False, True):
        if linked:
            make_current(tmp_path, run, data.citation)
        with (
            pytest.raises(RecordError, match="cannot read the record"),
            failure_noted(tmp_path, ids),
        ):
            train_batch(settings, ids, HERE)
        states = StatusReader(Plan(settings)).read()
        assert [states[run_id].state for run_id in ids] == ["failed", "waiting"]
        assert "cannot read the record" in states[ids[0]].details["message"]


def test_a_killed_write_leaves_no_record(tmp_path, monkeypatch):
    """The rename is the last thing that happens; before it there is no record under its name."""

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        files.write_json(tmp_path / "record.json", {"a": 1})
    assert list(tmp_path.iterdir()) == []
