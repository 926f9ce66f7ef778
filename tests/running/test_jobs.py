"""Jobs: several runs in one process, records that are there whole or not at all."""

import json

import pytest
import torch

from polyrepro import files
from polyrepro.running.execution import Execution
from polyrepro.running.jobs import train_batch
from polyrepro.running.processes import Processes
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


def test_a_killed_write_leaves_no_record(tmp_path, monkeypatch):
    """The rename is the last thing that happens; before it there is no record under its name."""

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        files.write_json(tmp_path / "record.json", {"a": 1})
    assert list(tmp_path.iterdir()) == []
