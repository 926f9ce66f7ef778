"""What `polyrepro status` shows, and what Snakemake ends with."""

import io
import os
import socket
import time

import pytest
from begun_runs import begin, finish
from rich.console import Console

from polyrepro.cli import main
from polyrepro.files import progress_path
from polyrepro.options import command
from polyrepro.running.closing_words import closing_words
from polyrepro.running.progress import Progress
from polyrepro.running.status import StatusReader
from polyrepro.running.status_screen import UnknownRunError, details, overview, show_status


def shown(renderable, width=120):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_a_training_that_is_preparing_its_first_step_counts_as_running(plan, tmp_path):
    run = plan.runs[0]
    with Progress(tmp_path, run):
        runs = StatusReader(plan).read()
        assert runs[run.id].state == "running"
        assert f"{run.id}  starting" in shown(overview(plan, runs))
    assert not progress_path(tmp_path, run.id).exists()


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


def test_status_command(tmp_path, capsys):
    main(["status", "--results", str(tmp_path), "--set", "studies=poly_n", "--set", "seeds=1"])
    assert "no training is running" in capsys.readouterr().out
