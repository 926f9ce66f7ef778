"""Trainings in processes of their own: killed, told to stop, or started twice."""

import signal
import subprocess
import sys
import time

import pytest
from small_trainings import HERE, RUN, history, without_times

from polyrepro.data import load
from polyrepro.files import record_path
from polyrepro.running.interruption import EXIT_STATUS
from polyrepro.running.jobs import train_and_record
from polyrepro.running.records import RunInUseError


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


CODE = """
import sys, time, torch
from pathlib import Path
from polyrepro.running import jobs
from polyrepro.classification import checkpoints, loop
from polyrepro.data import load
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import Interruption
from polyrepro.running.processes import Processes
from polyrepro.runs import Run

torch.set_num_threads(1)
results, run, data = Path(sys.argv[1]), Run.model_validate_json(sys.argv[2]), load("fashion_mnist")
checkpoints.Checkpoints.due = property(lambda self: True)
original = checkpoints.Checkpoints.save

def slow(self, state):
    original(self, state)
    print(state.position, flush=True)
    time.sleep(0.05)

checkpoints.Checkpoints.save = slow
with Interruption() as interruption:
    execution = Execution(Processes(torch.device("cpu")), interruption)
    jobs.train_and_record(results, run, data, execution)
"""


def start(results):
    """Train RUN in a process of its own, with a checkpoint after every step."""
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(results), RUN.model_dump_json()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_step(process, step):
    for line in process.stdout:
        if int(line) >= step:
            return
    pytest.fail(f"ended before step {step}: {process.stderr.read()}")


def test_killed_with_sigkill_again_and_again_it_ends_with_the_same_bits(data, tmp_path):
    """Three kills without warning, each at some point of a step or of writing a checkpoint."""
    for step in (3, 11, 20):
        process = start(tmp_path)
        wait_for_step(process, step)
        time.sleep(0.01 * step % 0.06)
        process.kill()
        process.wait()
        assert not record_path(tmp_path, RUN.id).exists()
    record = train_and_record(tmp_path, RUN, data, HERE)
    assert without_times(record["history"]) == history(RUN, data)
    assert not (record_path(tmp_path, RUN.id).parent / "checkpoints").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_the_step_it_came_in(tmp_path, number):
    process = start(tmp_path)
    wait_for_step(process, 4)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert f"on {number.name}; run the same command again" in error
    newest = max((record_path(tmp_path, RUN.id).parent / "checkpoints").glob("step_*"))
    assert int(newest.name.removeprefix("step_")) in (4, 5, 6)
    assert not record_path(tmp_path, RUN.id).exists()


def test_the_command_exits_with_the_documented_status(tmp_path):
    command = [sys.executable, "-m", "polyrepro", "train", "--set", f"results={tmp_path}"]
    process = subprocess.Popen(
        [*command, "--set", "overrides={epochs: 500}", "fashion_mnist/cross_entropy/seed0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    lock = tmp_path / "runs/fashion_mnist/cross_entropy/seed0/lock"
    deadline = time.monotonic() + 60
    while not lock.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.terminate()
    _, error = process.communicate(timeout=60)
    assert process.returncode == EXIT_STATUS == 75, error
    assert "run the same command again to go on" in error


def test_two_processes_cannot_train_one_run(data, tmp_path):
    process = start(tmp_path)
    try:
        wait_for_step(process, 2)
        with pytest.raises(RunInUseError, match="is being trained by another process"):
            train_and_record(tmp_path, RUN, data, HERE)
    finally:
        process.kill()
        process.wait()
    # The lock goes with the process that held it.
    assert train_and_record(tmp_path, RUN, data, HERE)["history"]
