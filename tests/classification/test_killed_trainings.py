"""Trainings in processes of their own: killed, interrupted, or started twice."""

import re
import signal
import subprocess
import sys
import time

import pytest
from small_trainings import HERE, RUN, history, without_times
from training_process import TrainingProcess

from polyrepro.data import load
from polyrepro.files import record_path
from polyrepro.running.current_run import RunInUseError
from polyrepro.running.interruption import EXIT_STATUS
from polyrepro.running.jobs import train_and_record


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


def test_killed_with_sigkill_again_and_again_it_ends_with_the_same_bits(data, tmp_path):
    for step in (3, 11, 20):
        process = TrainingProcess(tmp_path)
        process.wait_for_step(step)
        process.kill()
        assert not record_path(tmp_path, RUN.id).exists()
    record = train_and_record(tmp_path, RUN, data, HERE)
    assert without_times(record["history"]) == history(RUN, data)
    assert not (record_path(tmp_path, RUN.id).parent / "checkpoints").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_saves_the_step_it_came_in(tmp_path, number):
    process = TrainingProcess(tmp_path)
    process.wait_for_step(4)
    said = process.signalled(number)
    assert f"stopped after step 5 on {number.name}, with a checkpoint; run the same" in said
    newest = max((record_path(tmp_path, RUN.id).parent / "checkpoints").glob("step_*"))
    assert newest.name == "step_000000005"
    assert not record_path(tmp_path, RUN.id).exists()


def test_the_command_exits_with_the_documented_status(tmp_path):
    command = [sys.executable, "-m", "polyrepro", "train", "--set", f"results={tmp_path}"]
    process = subprocess.Popen(
        [*command, "--set", "overrides={epochs: 500}", "fashion_mnist/cross_entropy/seed0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    # Signals are handled before the run is locked.
    lock = tmp_path / "runs/fashion_mnist/cross_entropy/seed0/lock"
    while not lock.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == EXIT_STATUS == 75, error
    assert "stopping with a checkpoint after this step; Ctrl-C again stops without one" in error
    assert re.search(r"stopped after step \d+ on SIGINT, with a checkpoint; run the same", error)


def test_two_processes_cannot_train_one_run(data, tmp_path):
    process = TrainingProcess(tmp_path)
    process.wait_for_step(2)
    with pytest.raises(RunInUseError, match="is being trained by another process"):
        train_and_record(tmp_path, RUN, data, HERE)
    process.kill()
    # The lock goes with the process that held it.
    assert train_and_record(tmp_path, RUN, data, HERE)["history"]
