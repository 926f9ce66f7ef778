"""One run spread over several processes: two on the CPU, as they would be on eight GPUs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from forked_commands import in_two_processes
from small_trainings import HERE, without_times

from polyrepro.classification.predictions import read_predictions
from polyrepro.data import load
from polyrepro.files import compact_predictions_path, record_path
from polyrepro.plan import parse_run_id
from polyrepro.running.interruption import EXIT_STATUS
from polyrepro.running.jobs import train_and_record
from polyrepro.settings import Overrides

RUN_ID = "fashion_mnist/poly1_e+2/seed0"
OVERRIDES = {"epochs": 6, "train_images": 1280, "images_per_device": 32}
ENDLESS = {"epochs": 100_000}


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


def words(results, timeout=60, **overrides) -> list[str]:
    """`polyrepro train` with two processes."""
    given = ["train", RUN_ID, "--timeout", str(timeout)]
    given += ["--set", f"results={results}", "--set", "processes_per_run=2"]
    return [*given, "--set", f"overrides={json.dumps(OVERRIDES | overrides)}"]


def start(results, timeout=60, **overrides):
    """The command, which starts torchrun."""
    command = [sys.executable, "-m", "polyrepro", *words(results, timeout, **overrides)]
    # Processes that do not stop on a signal are killed after a second.
    environment = os.environ | {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def record_in(results):
    return json.loads(record_path(results, RUN_ID).read_text())


def outcome(record):
    """What must be the same to the bit."""
    return without_times(record["history"]), record["predictions"]


def workers(results) -> dict[int, int]:
    """Rank to process id of the processes that train below a results folder."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # has just ended
        rank = [v for v in variables if v.startswith(b"LOCAL_RANK=")]
        if rank and f"results={results}".encode() in words:
            found[int(rank[0].removeprefix(b"LOCAL_RANK="))] = int(folder.name)
    return found


def notes_signals(pid: int) -> bool:
    """Whether a process has a handler for SIGUSR1."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(mask, 16) & 1 << signal.SIGUSR1 - 1)


def wait_until(condition, process=None):
    """Fail after two minutes, or when a process that has to live ends."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        if process is not None and process.poll() is not None:
            pytest.fail(process.communicate()[1])
        time.sleep(0.1)


def started(process, results) -> dict[int, int]:
    """Both workers, as soon as they note signals."""

    def ready():
        found = workers(results).values()
        return len(found) == 2 and all(map(notes_signals, found))

    wait_until(ready, process)
    return workers(results)


def training(process, results) -> dict[int, int]:
    """Both workers, as soon as one of them holds the run."""
    found = started(process, results)
    wait_until(lambda: list(results.glob("runs/*/*/*/lock")), process)
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The results of two processes, and their record."""
    results = tmp_path_factory.mktemp("undisturbed")
    in_two_processes(*words(results))
    return results, record_in(results)


def test_two_processes_train_what_one_does(undisturbed, data, tmp_path):
    results, record = undisturbed
    run = parse_run_id(RUN_ID, Overrides(**OVERRIDES))
    alone = train_and_record(tmp_path, run, data, HERE)
    rows = list(zip(record["history"], alone["history"], strict=True))
    assert all((r["epoch"], r["split"]) == (e["epoch"], e["split"]) for r, e in rows)
    for row, expected in rows:
        if row["epoch"] <= 1:  # later, different rounding has made different networks
            # A few images of thousands more or less are right, if at all.
            assert row["top1"] == pytest.approx(expected["top1"], abs=0.2)
            for name in ("loss", "mean_pt", "cross_entropy", "leading_share"):
                assert row[name] == pytest.approx(expected[name], rel=1e-3)
    last, expected = rows[-1]
    assert last["temperature"] == pytest.approx(expected["temperature"], rel=0.02)
    assert last["ece_scaled"] == pytest.approx(expected["ece_scaled"], abs=1)
    several = read_predictions(compact_predictions_path(results, RUN_ID), record["predictions"])
    for split in ("validation", "test"):
        labels = data.splits[split].labels
        row = next(r for r in reversed(record["history"]) if r["split"] == split)
        assert 100 * np.mean(several[split].classes == labels) == pytest.approx(row["top1"])
        assert several[split].target_probability.mean() == pytest.approx(row["mean_pt"])


def test_a_signal_to_every_process_changes_no_bit_of_the_result(undisturbed, data, tmp_path):
    """As Slurm sends it. One process can go on, too, and its result is equal up to rounding."""
    results = tmp_path / "results"
    process = start(results)
    for pid in (*training(process, results).values(), process.pid):
        os.kill(pid, signal.SIGUSR1)
    _, error = process.communicate(timeout=120)
    assert process.returncode == EXIT_STATUS, error
    assert len(list(results.rglob("step_*"))) == 1
    shutil.copytree(results, tmp_path / "copy")
    again = start(results)
    _, error = again.communicate(timeout=300)
    assert again.returncode == 0, error
    assert outcome(record_in(results)) == outcome(undisturbed[1])
    assert not list(results.rglob("checkpoints"))

    run = parse_run_id(RUN_ID, Overrides(**OVERRIDES))
    alone = train_and_record(tmp_path / "copy", run, data, HERE)["history"]
    expected = undisturbed[1]["history"]
    assert [row["epoch"] for row in alone] == [row["epoch"] for row in expected]
    assert alone[-1]["loss"] == pytest.approx(expected[-1]["loss"], rel=0.05)


def test_when_one_process_dies_the_other_ends(tmp_path):
    process = start(tmp_path, **ENDLESS)
    os.kill(training(process, tmp_path)[1], signal.SIGKILL)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1 and "one of 2 processes failed" in error
    assert workers(tmp_path) == {}


def test_when_one_process_hangs_the_other_gives_up(tmp_path):
    process = start(tmp_path, timeout=5, **ENDLESS)
    hanging = training(process, tmp_path)[1]
    os.kill(hanging, signal.SIGSTOP)
    wait_until(lambda: 0 not in workers(tmp_path))
    # torchrun would kill it after half a minute; awake, it ends on the signal that it got.
    os.kill(hanging, signal.SIGCONT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1 and "one of 2 processes failed" in error
    assert workers(tmp_path) == {}


def test_when_the_command_is_killed_nobody_is_left_behind(tmp_path):
    process = start(tmp_path, **ENDLESS)
    started(process, tmp_path)
    process.kill()
    process.communicate()
    wait_until(lambda: workers(tmp_path) == {})
