"""Records: kept by what was trained on what, refused when they cannot be trusted."""

import json
import os

import pytest
import torch

from polyrepro.files import compact_predictions_path, record_path, run_link
from polyrepro.plan import parse_run_id
from polyrepro.running.current_run import make_current
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.running.records import (
    Outcome,
    RecordError,
    finished_record,
    read_record,
    write_record,
)
from polyrepro.settings import Overrides, check_settings

HERE = Execution(Processes(torch.device("cpu")))
RUN = parse_run_id("fashion_mnist/poly1_e+2/seed0", Overrides())
SHORTER = parse_run_id(RUN.id, Overrides(epochs=1))
DATA = {"dataset": "fashion_mnist", "splits": {"train": {"images": 9, "sha256": "a"}}}
CHANGED = {"dataset": "fashion_mnist", "splits": {"train": {"images": 9, "sha256": "b"}}}


def finish(results, run, data, top1=50.0, predictions=None):
    outcome = Outcome([{"epoch": 1, "split": "test", "top1": top1}], predictions=predictions)
    make_current(results, run, data)
    return write_record(results, run, data, outcome, HERE)


def settings(results):
    given = {"scale": "embedded", "studies": "all", "seeds": 1, "runs_per_job": 1}
    return check_settings(given | {"results": str(results)})


def test_a_record_is_used_again_only_for_the_same_run_and_the_same_data(tmp_path):
    record = finish(tmp_path, RUN, DATA)
    assert finished_record(tmp_path, RUN, DATA) == record
    assert finished_record(tmp_path, RUN, CHANGED) is None
    assert finished_record(tmp_path, SHORTER, DATA) is None
    more_checks = DATA | {"checks": {"images": 5}}  # looked at again, and found the same
    assert finished_record(tmp_path, RUN, more_checks) == record


def test_a_trial_with_other_settings_overwrites_nothing_and_the_way_back_is_free(tmp_path, capsys):
    record = finish(tmp_path, RUN, DATA)
    finish(tmp_path, SHORTER, DATA, top1=10.0)
    assert "a record with another recipe or loss; training again" in capsys.readouterr().err
    assert json.loads(record_path(tmp_path, RUN.id).read_text())["history"][0]["top1"] == 10.0
    assert finished_record(tmp_path, RUN, DATA) == record
    make_current(tmp_path, RUN, DATA)
    assert read_record(settings(tmp_path), RUN) == record
    assert capsys.readouterr().err == ""


def test_a_run_whose_predictions_are_gone_is_named_and_trained_again(tmp_path, capsys):
    record = finish(tmp_path, RUN, DATA, predictions="a" * 64)
    kept = compact_predictions_path(tmp_path, RUN.id)
    kept.write_bytes(b"")
    assert finished_record(tmp_path, RUN, DATA) == record
    kept.unlink()
    assert finished_record(tmp_path, RUN, DATA) is None
    message = capsys.readouterr().err
    assert message.startswith(f"{RUN.id}: its predictions are gone (")
    assert message.endswith("/predictions.npz); training again\n")


def test_changed_data_are_named(tmp_path, capsys):
    finish(tmp_path, RUN, DATA)
    make_current(tmp_path, RUN, CHANGED)
    message = capsys.readouterr().err
    assert f"{RUN.id}: its data have changed since its record was made" in message
    assert finished_record(tmp_path, RUN, DATA) is not None


def test_a_folder_of_an_older_version_is_kept(tmp_path):
    old = run_link(tmp_path, RUN.id)
    old.mkdir(parents=True)
    (old / "record.json").write_text("{}")
    finish(tmp_path, RUN, DATA)
    assert run_link(tmp_path, RUN.id).is_symlink()
    (kept,) = old.parent.glob("seed0.before_*")
    assert (kept / "record.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "cannot read the record"),
        (b"\xff\xfe", "cannot read the record"),
        (b"[]", "is not the record of a run"),
        (b"null", "is not the record of a run"),
        (b'{"history": []}', "is not the record of a run"),
        (b'{"history": [{}]}', "disagrees with its own checksum"),
    ],
)
def test_a_damaged_record_is_refused_with_its_path_and_a_remedy(tmp_path, content, message):
    finish(tmp_path, RUN, DATA)
    path = record_path(tmp_path, RUN.id)
    path.write_bytes(content)
    for read in (
        lambda: finished_record(tmp_path, RUN, DATA),
        lambda: read_record(settings(tmp_path), RUN),
    ):
        with pytest.raises(RecordError, match=message) as error:
            read()
        assert str(tmp_path) in str(error.value) and "remove it to train the run" in str(
            error.value
        )


def test_a_changed_digit_is_noticed(tmp_path):
    finish(tmp_path, RUN, DATA, top1=50.0)
    path = record_path(tmp_path, RUN.id)
    path.write_text(path.read_text().replace("50.0", "80.0"))
    with pytest.raises(RecordError, match="it was changed after it was written"):
        finished_record(tmp_path, RUN, DATA)


def test_a_record_of_another_configuration_is_refused_with_the_whole_command(tmp_path):
    finish(tmp_path, SHORTER, DATA)
    with pytest.raises(RecordError, match="made with another recipe or loss") as error:
        read_record(settings(tmp_path), RUN)
    assert f"polyrepro train {RUN.id} --scale embedded" in str(error.value)
    os.unlink(run_link(tmp_path, RUN.id))
    with pytest.raises(RecordError, match="has no record"):
        read_record(settings(tmp_path), RUN)
