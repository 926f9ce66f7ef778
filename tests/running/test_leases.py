"""Leases on GPUs, with names of devices that need not exist: a lease is a lock, not a device."""

import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from polyrepro.errors import DeviceError
from polyrepro.running import launch, leases
from polyrepro.running.gpus import Gpus
from polyrepro.running.leases import leased

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


def mode(path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(params=[0o022, 0o077], ids=["usual umask", "strict umask"])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_folder_and_files_are_for_all_users_whatever_the_umask(folder, umask):
    with leased(1, ["0"]):
        assert mode(folder) == 0o1777
        assert mode(folder / "0.lock") == 0o666
    assert os.umask(umask) == umask


def test_a_folder_of_an_earlier_version_is_shared_now(folder):
    folder.mkdir(mode=0o755)
    with leased(1, ["0"]):
        assert mode(folder) == 0o1777


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
"""Whose files are whose is decided by the kernel, so these tests change the user."""


def lease_as(user: int, folder) -> str:
    """What a process of another user gets: a device or an error."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom polyrepro.running import leases\n"
        f"leases.FOLDER = Path({str(folder)!r})\nos.setuid({user})\n"
        "try:\n    with leases.leased(1, ['0', '1'], patience=0) as (devices, _): print(*devices)\n"
        "except leases.DeviceError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def reachable(monkeypatch):
    """pytest's own folders are private; into this one another user can come."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o1777)
        monkeypatch.setattr(leases, "FOLDER", Path(name) / "leases")
        yield leases.FOLDER


@as_root
def test_two_users_share_the_devices(reachable, umask):
    with leased(1, ["0", "1"]) as (devices, _):
        assert devices == ["0"]
        assert lease_as(12345, reachable) == "1"
    assert lease_as(12345, reachable) == "0"
    with leased(2, ["0", "1"], patience=0):  # one file was made by the other user
        pass


@as_root
def test_a_folder_that_another_user_does_not_share_is_named(reachable):
    reachable.mkdir(mode=0o755)
    assert "belongs to user 0, who does not share it (mode 1777)" in lease_as(12345, reachable)


def test_no_link_is_followed_and_nothing_behind_it_is_touched(folder, tmp_path):
    target = tmp_path / "target"
    folder.symlink_to(target)
    with pytest.raises(DeviceError, match=r"leases, by which jobs .* or a link .*set TMPDIR to"):
        leased(1, ["0"]).__enter__()
    target.mkdir(mode=0o755)
    with pytest.raises(DeviceError, match="or a link"):
        leased(1, ["0"]).__enter__()
    assert mode(target) == 0o755 and list(target.iterdir()) == []


def test_what_others_put_in_a_lease_s_place_is_not_used(folder, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("private")
    victim.chmod(0o600)
    folder.mkdir()
    folder.chmod(0o1777)
    (folder / "0.lock").symlink_to(victim)
    (folder / "1.lock").symlink_to(tmp_path / "missing")
    os.mkfifo(folder / "2.lock")
    (folder / "3.lock").mkdir()
    for name in "0123":
        with pytest.raises(DeviceError, match=rf"{name}.lock in it (cannot be opened|is no file)"):
            leased(1, [name], patience=0).__enter__()
    assert victim.read_text() == "private" and mode(victim) == 0o600
    assert not (tmp_path / "missing").exists()


def test_a_hard_link_to_a_private_file_does_not_open_it_to_others(folder, tmp_path):
    victim = tmp_path / "victim"
    victim.touch(mode=0o600)
    folder.mkdir()
    os.link(victim, folder / "0.lock")
    with leased(1, ["0"]):
        assert mode(victim) == 0o600


def test_a_file_in_the_folder_s_place_is_named(folder):
    folder.touch()
    with pytest.raises(DeviceError, match="it is no folder"):
        leased(1, ["0"]).__enter__()


GPUS = Gpus(("0", "1"), {"0": "GPU-5aaa", "1": "GPU-5bbb"})


def test_two_names_of_a_device_are_one_lease():
    with leased(1, ["0"], identify=GPUS.identify):
        for name in ("GPU-5aaa", "GPU-5a", "0"):
            with pytest.raises(DeviceError, match=rf"no 1 of the GPUs {name} became free"):
                leased(1, [name], patience=0, identify=GPUS.identify).__enter__()
        with leased(1, ["0", "GPU-5b"], patience=0, identify=GPUS.identify) as (devices, _):
            assert devices == ["GPU-5b"]


def test_a_device_that_is_named_twice_counts_once():
    with pytest.raises(DeviceError, match=r"needs 2 GPUs, but this machine has 1 \(0\)"):
        leased(2, ["0", "GPU-5aaa"], identify=GPUS.identify).__enter__()


def test_a_job_sees_only_its_leased_device_unless_slurm_gave_it_one(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(launch, "installed_gpus", lambda: GPUS)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # set back afterwards
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    seen = []
    with leased(1, ["4", "7"]):
        launch.start(1, "cuda", lambda: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]))
    assert seen == ["7"]
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    launch.start(1, "cuda", lambda: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]))
    assert seen == ["7", "4,7"]
