"""Leases on GPUs, with names of devices that need not exist: a lease is a lock, not a device."""

import os
import subprocess
import sys
import time

import pytest

from polyrepro.running import launch, leases
from polyrepro.running.leases import leased, visible_devices
from polyrepro.running.processes import DeviceError

HOLD = """
import sys, time
from pathlib import Path
from polyrepro.running import leases
leases.FOLDER = Path(sys.argv[1])
with leases.leased(int(sys.argv[2]), sys.argv[3].split(",")) as (devices, _):
    print(",".join(devices), flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "FOLDER", tmp_path / "leases")
    return tmp_path / "leases"


def holder(folder, count, devices="0,1,2"):
    """A process that holds leases, and what it got."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(count), devices],
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, process.stdout.readline().strip().split(",")


def test_two_jobs_get_different_devices(folder):
    with leased(2, ["0", "1", "2"]) as (first, _):
        process, second = holder(folder, 1)
        try:
            assert first == ["0", "1"] and second == ["2"]
        finally:
            process.kill()
            process.wait()


def test_a_lease_goes_with_its_process_and_a_left_over_file_holds_nothing(folder):
    process, devices = holder(folder, 3)
    assert devices == ["0", "1", "2"]
    process.kill()
    process.wait()
    assert sorted(path.name for path in folder.iterdir()) == ["0.lock", "1.lock", "2.lock"]
    with leased(3, ["0", "1", "2"], patience=0) as (again, _):
        assert again == ["0", "1", "2"]


def test_a_job_waits_for_a_device_and_says_so(folder, capsys):
    process, _ = holder(folder, 1, "0")
    started = time.monotonic()
    code = f"import time, os, signal; time.sleep(1); os.kill({process.pid}, signal.SIGKILL)"
    killer = subprocess.Popen([sys.executable, "-c", code])
    with leased(1, ["0"], patience=60) as (devices, _):
        assert devices == ["0"] and time.monotonic() - started >= 1
    killer.wait()
    process.wait()
    assert capsys.readouterr().err == "waiting for 1 free GPU(s) of 0\n"


def test_too_few_devices_are_an_error_at_once_and_busy_ones_after_a_while(folder):
    with pytest.raises(DeviceError, match=r"needs 2 GPUs, but this machine has 1 \(0\)"):
        leased(2, ["0"]).__enter__()
    with pytest.raises(DeviceError, match=r"needs 1 GPUs, but this machine has 0 \(none\)"):
        leased(1, []).__enter__()
    process, _ = holder(folder, 1, "0")
    try:
        with pytest.raises(DeviceError, match=r"no 1 of the GPUs 0 became free within 0.1 s"):
            leased(1, ["0"], patience=0.1).__enter__()
    finally:
        process.kill()
        process.wait()


def test_a_child_process_that_inherits_a_lease_keeps_it():
    with leased(1, ["0"]) as (_, handles):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, pass_fds=handles)
    try:
        with pytest.raises(DeviceError, match="became free"):
            leased(1, ["0"], patience=0).__enter__()
    finally:
        child.communicate(b"\n")
    with leased(1, ["0"], patience=0):
        pass


def test_only_devices_that_the_user_allows_are_leased(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5a")
    assert visible_devices() == ["3", "GPU-5a"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_devices() == []


def test_a_job_sees_only_its_leased_device_unless_slurm_gave_it_one(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    seen = []
    with leased(1, ["4", "7"]):
        launch.start(1, "cuda", lambda: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]))
    assert seen == ["7"]
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    launch.start(1, "cuda", lambda: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]))
    assert seen == ["7", "4,7"]
