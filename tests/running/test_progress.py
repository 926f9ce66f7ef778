"""Progress files, the states of runs that are read from them, and curves."""

import json
import re
import time

import pytest
from begun_runs import DATA, HERE, ROWS, begin, finish

from polyrepro.errors import DeviceError
from polyrepro.files import curves_folder, progress_path
from polyrepro.plan import Plan
from polyrepro.running import progress
from polyrepro.running.current_run import make_current
from polyrepro.running.interruption import InterruptedTrainingError
from polyrepro.running.jobs import train_batch
from polyrepro.running.progress import Progress, failure_noted
from polyrepro.running.records import Outcome, write_record
from polyrepro.running.status import LOST_SECONDS, StatusReader, seconds_left
from polyrepro.settings import check_settings
from polyrepro.studies import STUDIES


def states(plan):
    return {status.run.id: status.state for status in StatusReader(plan).read().values()}


def test_states_of_runs(plan, tmp_path):
    finished, running, lost, silent, waiting, stopped, *_ = plan.runs
    finish(plan, tmp_path, finished)
    begin(tmp_path, running)
    begin(tmp_path, lost, process=2**22 + 1)  # larger than any process number
    begin(tmp_path, silent, host="node7", time=time.time() - LOST_SECONDS - 1)
    with pytest.raises(InterruptedTrainingError), Progress(tmp_path, stopped):
        raise InterruptedTrainingError("stopped after step 3")
    found = StatusReader(plan).read()
    expected = ["finished", "running", "failed", "failed", "waiting", "stopped"]
    assert [found[run.id].state for run in plan.runs[:6]] == expected
    assert found[waiting.id].state == "waiting"
    assert re.search(r"its process on \S+ ended and could not", found[lost.id].details["message"])
    assert "no word from node7 for 10 minutes" in found[silent.id].details["message"]


def test_a_training_on_another_node_counts_as_running(plan, tmp_path):
    begin(tmp_path, plan.runs[0], host="node7", process=2**22 + 1)
    assert states(plan)[plan.runs[0].id] == "running"


def test_progress_of_another_recipe_does_not_count(plan, tmp_path):
    run = plan.runs[0]
    recipe = run.recipe.model_copy(update={"epochs": 1})
    begin(tmp_path, run.model_copy(update={"recipe": recipe}))
    assert states(plan)[run.id] == "waiting"


def test_a_failed_training_leaves_the_reason(plan, tmp_path):
    run = plan.runs[0]
    with pytest.raises(ValueError, match="not finite"), Progress(tmp_path, run) as state:
        state.update(3, 100, [])
        raise ValueError("the loss is not finite at step 3\nmore")
    status = StatusReader(plan).read()[run.id]
    assert status.state == "failed"
    assert status.details["message"] == "the loss is not finite at step 3"
    assert status.details["position"] == 3


def test_a_finished_training_leaves_nothing(plan, tmp_path):
    with Progress(tmp_path, plan.runs[0]) as state:
        state.update(3, 100, [])
        assert progress_path(tmp_path, plan.runs[0].id).exists()
    assert not progress_path(tmp_path, plan.runs[0].id).exists()


def test_progress_is_written_every_ten_seconds_at_most(plan, tmp_path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(progress.time, "time", lambda: now)
    state = Progress(tmp_path, plan.runs[0])
    positions = []
    for step in range(50):
        now += 1.0
        state.update(step, 100, ROWS)
        positions.append(json.loads(progress_path(tmp_path, plan.runs[0].id).read_text()))
    assert sorted({entry["position"] for entry in positions}) == [0, 10, 20, 30, 40]
    assert positions[-1]["steps_per_second"] == pytest.approx(1.0)
    assert positions[-1]["metric"] == {"name": "top1", "split": "validation", "value": 61.5}


def test_a_progress_file_that_cannot_be_written_stops_nothing(plan, tmp_path, capsys):
    (tmp_path / "progress").write_text("in the way")
    with Progress(tmp_path, plan.runs[0]) as state:
        state.update(3, 100, [])
    assert "cannot write" in capsys.readouterr().err


def test_time_left(plan, tmp_path):
    first, second, *rest = plan.runs
    finish(plan, tmp_path, first)  # 30 seconds
    begin(tmp_path, second, steps_per_second=2.0)  # 50 of 100 steps are left
    assert seconds_left(StatusReader(plan).read()) == pytest.approx(25 + 30 * len(rest))


def test_time_left_of_runs_that_are_too_short_to_state_their_speed(plan, tmp_path):
    first, second, *rest = plan.runs
    begin(tmp_path, second, steps_per_second=None)
    assert seconds_left(StatusReader(plan).read()) is None
    finish(plan, tmp_path, first)  # 30 seconds
    assert seconds_left(StatusReader(plan).read()) == pytest.approx(30 + 30 * len(rest))


def test_a_job_that_cannot_begin_marks_its_runs(plan, tmp_path):
    finish(plan, tmp_path, plan.runs[0])
    ids = [run.id for run in plan.runs[:3]]
    with pytest.raises(DeviceError), failure_noted(tmp_path, ids):
        raise DeviceError("no GPU is free")
    assert [states(plan)[run_id] for run_id in ids] == ["finished", "failed", "failed"]
    with failure_noted(tmp_path, ids):
        assert [states(plan)[run_id] for run_id in ids] == ["finished", "waiting", "waiting"]


def test_a_run_that_failed_is_the_only_one_marked(plan, tmp_path):
    ids = [run.id for run in plan.runs[:3]]
    with pytest.raises(ValueError, match="bad"), failure_noted(tmp_path, ids):  # noqa: SIM117
        with Progress(tmp_path, plan.runs[1]):
            raise ValueError("bad")
    assert [states(plan)[run_id] for run_id in ids] == ["waiting", "failed", "waiting"]


def test_training_writes_curves_and_removes_its_progress(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    given = {"scale": "embedded", "studies": "poly_n", "seeds": 1, "runs_per_job": 1}
    overrides = {"epochs": 2, "train_images": 300}
    settings = check_settings(
        given | {"results": str(tmp_path), "overrides": overrides, "tensorboard": True}
    )
    run_id = "fashion_mnist/cross_entropy/seed0"
    train_batch(settings, [run_id], HERE)
    assert not progress_path(tmp_path, run_id).exists()
    read = events.EventAccumulator(str(curves_folder(tmp_path, run_id)))
    read.Reload()
    steps = [event.step for event in read.Scalars("top1/validation")]
    assert len(steps) == 2 and steps[1] == 2 * steps[0]
    assert len(read.Scalars("top1/test")) == 1


def test_a_report_of_what_has_finished_leaves_out_runs_whose_predictions_are_gone(plan, tmp_path):
    whole, without, *_ = plan.runs
    finish(plan, tmp_path, whole)
    make_current(tmp_path, without, DATA)
    write_record(tmp_path, without, DATA, Outcome(ROWS, predictions="0" * 64), HERE)
    settings = plan.settings.model_copy(update={"finished_only": True})
    assert [run.id for run in Plan(settings).runs] == [whole.id]


def test_a_study_whose_reference_has_not_finished_is_left_out(plan, tmp_path):
    reference = STUDIES["truncation"].reference
    one = next(run for run in plan.runs if run.variant.name == reference)
    other = next(run for run in plan.runs if run.variant.name != reference)
    finish(plan, tmp_path, other)
    settings = plan.settings.model_copy(update={"finished_only": True})
    alone = Plan(settings)
    assert alone.runs == alone.studies == [] and alone.described == plan.studies
    finish(plan, tmp_path, one)
    assert {run.id for run in Plan(settings).runs} == {one.id, other.id}
