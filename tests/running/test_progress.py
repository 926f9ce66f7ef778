"""Progress files, the status that is read from them, curves, and what Snakemake ends with."""

import io
import json
import os
import re
import socket
import time

import pytest
import torch
from rich.console import Console

from polyrepro.cli import main
from polyrepro.errors import DeviceError
from polyrepro.files import curves_folder, progress_path
from polyrepro.options import command
from polyrepro.plan import Plan
from polyrepro.running import progress
from polyrepro.running.closing_words import closing_words
from polyrepro.running.current_run import make_current
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import InterruptedTrainingError
from polyrepro.running.jobs import train_batch
from polyrepro.running.processes import Processes
from polyrepro.running.progress import Progress, failure_noted
from polyrepro.running.records import Outcome, write_record
from polyrepro.running.status import LOST_SECONDS, StatusReader, seconds_left
from polyrepro.running.status_screen import UnknownRunError, details, overview, show_status
from polyrepro.settings import check_settings
from polyrepro.studies import STUDIES

HERE = Execution(Processes(torch.device("cpu")))
DATA = {"dataset": "kanji", "splits": {"train": {"images": 9, "sha256": "a"}}}
ROWS = [
    {"epoch": 1, "split": "train", "loss": 2.0, "seconds": 30.0},
    {"epoch": 1, "split": "validation", "top1": 61.5},
]


@pytest.fixture
def plan(tmp_path):
    given = {"scale": "embedded", "studies": "truncation", "seeds": 2, "runs_per_job": 4}
    return Plan(check_settings(given | {"results": str(tmp_path)}))


def finish(plan, tmp_path, run):
    make_current(tmp_path, run, DATA)
    write_record(tmp_path, run, DATA, Outcome(ROWS), HERE)


def begin(tmp_path, run, **changes):
    """Leave the progress file of a training that is half done; `changes` are other entries."""
    state = Progress(tmp_path, run)
    state.update(50, 100, ROWS)
    path = progress_path(tmp_path, run.id)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def shown(renderable, width=120):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


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


def test_a_training_that_is_preparing_its_first_step_counts_as_running(plan, tmp_path):
    run = plan.runs[0]
    with Progress(tmp_path, run):
        runs = StatusReader(plan).read()
        assert runs[run.id].state == "running"
        assert f"{run.id}  starting" in shown(overview(plan, runs))
    assert not progress_path(tmp_path, run.id).exists()


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


def test_overview_and_details(plan, tmp_path):
    finished, running, failed, *_ = plan.runs
    finish(plan, tmp_path, finished)
    begin(tmp_path, running, steps_per_second=2.0)
    begin(tmp_path, failed, state="failed", message="out of memory", log="/logs/kanji-00.log")
    runs = StatusReader(plan).read()
    text = shown(overview(plan, runs))
    assert f"{running.id}  50/100 (50%)" in text and "0:00:25" in text
    assert "validation top1 61.5" in text and socket.gethostname() in text
    assert f"{failed.id}\n    out of memory\n    log: /logs/kanji-00.log" in text
    text = shown(details(plan, runs, [failed.id]), width=300)
    assert "/logs/kanji-00.log" in text and f"polyrepro train {failed.id}" in text


def test_runs_that_failed_for_one_reason_are_one_entry_before_those_that_run(plan, tmp_path):
    running, *failed = plan.runs
    begin(tmp_path, running)
    for run in failed[:3]:
        begin(tmp_path, run, state="failed", message="no GPU is free", log="/logs/kanji-00.log")
    begin(tmp_path, failed[3], state="failed", message="out of memory", log="/logs/kanji-00.log")
    text = shown(overview(plan, StatusReader(plan).read()))
    assert f"failed (4)\n{failed[0].id} and 2 more for the same reason\n    no GPU is free" in text
    assert f"{failed[3].id}\n    out of memory" in text
    assert text.index("out of memory") < text.index(running.id)


def test_a_narrow_screen_shows_all_of_a_running_training(plan, tmp_path):
    begin(tmp_path, plan.runs[0], steps_per_second=2.0, host="node7.cluster.example")
    text = " ".join(shown(overview(plan, StatusReader(plan).read()), width=60).split())
    expected = "50/100 (50%), 2 steps/s, 0:00:25 left, validation top1 61.5, on node7"
    assert f"running (1) {plan.runs[0].id} {expected}" in text
    assert "finished running stopped failed waiting" in text


def test_a_pipe_gets_whole_paths(plan, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    log = f"/scratch/{'folder/' * 20}kanji-00.log"
    begin(tmp_path, plan.runs[0], state="failed", message="out of memory", log=log)
    show_status(plan, [], watch=None)
    assert f"log: {log}\n" in capsys.readouterr().out


def test_watched_through_a_pipe_every_reading_is_printed(plan, capsys, monkeypatch):
    waits = iter([None, None, KeyboardInterrupt])

    def sleep(seconds):
        if (error := next(waits)) is not None:
            raise error

    monkeypatch.setattr(time, "sleep", sleep)
    show_status(plan, [], watch=5)
    assert capsys.readouterr().out.count("all, each once") == 3


def test_a_command_stays_on_one_line_to_be_pasted(plan, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    show_status(plan, [plan.runs[0].id], watch=None)
    lines = capsys.readouterr().out.splitlines()
    expected = f"to train it alone: {command(plan.settings, 'train', plan.runs[0].id)}"
    assert expected in lines and len(expected) > 80


def test_unknown_run_is_an_error(plan):
    with pytest.raises(UnknownRunError, match=r"no run 'kanji/x/seed0'.*for example kanji/"):
        details(plan, StatusReader(plan).read(), ["kanji/x/seed0"])


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


def test_closing_words(plan, tmp_path):
    begin(tmp_path, plan.runs[0], state="failed", message="out of memory", log="/logs/k.log")
    words = closing_words(plan, failed=True)
    assert f"failed: {plan.runs[0].id}: out of memory (log: /logs/k.log)" in words
    assert "0 of 10 runs have finished" in words and "There is no report" in words
    assert "goes on with: the same and --keep-going" in words
    (tmp_path / "report.pdf").touch()
    assert f"The report is {tmp_path}/report.pdf (of 20" in closing_words(plan, failed=False)
    assert "from before this failure" in closing_words(plan, failed=True)


def test_steps_other_than_trainings_that_failed(plan, tmp_path):
    def log(step, text):
        path = tmp_path / "logs" / f"{step}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    old = log("figures/gates", "polyrepro: error: of an earlier start\n")
    os.utime(old, ns=(1, 1))
    (tmp_path / "settings.json").touch()
    log("verify_data/kanji", "a warning\npolyrepro: error: 2 of 9 images are damaged:\n  1.png\n")
    log("collect", "Traceback (most recent call last):\n  File\nKeyError: 'top1'\n")
    log("statistics", "FutureWarning: all is well\n")
    log("train/kanji-00", "polyrepro: error: told by progress files\n")
    words = closing_words(plan, failed=True)
    assert [line for line in words.splitlines() if line.startswith("failed")] == [
        f"failed: collect: KeyError: 'top1' (log: {tmp_path}/logs/collect.log)",
        f"failed: verify_data/kanji: 2 of 9 images are damaged: (log: {tmp_path}/logs/verify_data/"
        "kanji.log)",
    ]
    text = shown(overview(plan, StatusReader(plan).read()), width=400)
    assert "verify_data/kanji\n    2 of 9 images are damaged:\n" in text
    assert f"    log: {tmp_path}/logs/collect.log" in text


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


def test_status_command(tmp_path, capsys):
    main(["status", "--results", str(tmp_path), "--set", "studies=poly_n", "--set", "seeds=1"])
    assert "no training is running" in capsys.readouterr().out


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
