"""The workflow through a real Slurm; scripts/one_node_slurm.sh starts one on this machine alone."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
import yaml
from project_copy import TINY, copy_project

# Snakemake itself; its plugin would look for what has ended after 1, 11, 21, 31 seconds.
SNAKEMAKE = """
import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.sleep = lambda executor: asyncio.sleep(1)
sys.exit(main())
"""
PROFILE = [
    *("--workflow-profile", "profiles/slurm"),
    # What the one-node Slurm lacks (accounts) or need not wait for.
    *("--slurm-no-account", "--slurm-status-command", "squeue"),
    *("--default-resources", "slurm_partition=debug", "mem_mb=500", "runtime=10"),
    *("--latency-wait", "10", "--seconds-between-status-checks", "1"),
    *("--slurm-init-seconds-before-status-checks", "1"),
]


@pytest.fixture(scope="module", autouse=True)
def _slurm_answers():
    if shutil.which("sinfo") is None:
        pytest.skip("Slurm is not installed; scripts/one_node_slurm.sh start FOLDER starts one")
    answer = subprocess.run(["sinfo"], capture_output=True, text=True, timeout=30, check=False)
    if answer.returncode != 0:
        pytest.skip(f"no Slurm answers ({answer.stderr.strip()}); see scripts/one_node_slurm.sh")


def slurm_run(folder, config, target, *options):
    """Start Snakemake with the Slurm profile in a copy of the project."""
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            SNAKEMAKE,
            *PROFILE,
            *options,
            "--configfile",
            "tiny.yaml",
            "--",
            target,
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ask(*words):
    """What a command of Slurm prints."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def running_job():
    """Its number; the job before it may still be completing."""
    (number,) = ask("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()
    return number


def wait_until(condition, process):
    """Fail after three minutes, or when a process that has to live ends."""
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline
        if process.poll() is not None:
            pytest.fail(process.communicate()[0])
        time.sleep(0.1)


def without_times(path):
    times = ("seconds", "images_per_second")
    history = json.loads(path.read_text())["history"]
    return [{key: v for key, v in row.items() if key not in times} for row in history]


def test_trainings_are_jobs_with_a_gpu_each(tmp_path):
    folder = copy_project(tmp_path)
    config = TINY | {"studies": ["truncation"], "runs_per_job": 5, "results": "results/tiny"}
    one_gpu = ("--set-resources", "train:gpu=1")  # there are no real ones: it trains on the CPU
    process = slurm_run(folder, config, "results/tiny/metrics.csv", *one_gpu)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    submitted = re.findall(r"SLURM jobid (\d+)", printed)
    assert len(submitted) == 3  # two batches, and verify_data
    jobs = [ask("scontrol", "show", "job", number) for number in submitted]
    gpus = [bool(re.search(r"gres[:/]gpu[:=]1", job)) for job in jobs]
    assert sorted(gpus) == [False, True, True]
    assert len(list((folder / "results/tiny/runs").rglob("record.json"))) == 10


RUN = "fashion_mnist/cross_entropy/seed0"
OVERRIDES = {"epochs": 40, "train_images": 3000, "images_per_device": 64}
LONG = TINY | {
    "studies": ["poly_n"],
    "seeds": 1,
    "runs_per_job": 1,
    "results": "results/tiny",
    "processes_per_run": 2,
    "overrides": OVERRIDES,
}
BATCH = "results/tiny/batches/fashion_mnist-cross_entropy-seed0.json"
TWO_GPUS = ("--set-resources", "train:gpu=2")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The history of the same run without Slurm, also spread over two processes."""
    results = tmp_path_factory.mktemp("undisturbed")
    words = [sys.executable, "-m", "polyrepro", "train", RUN]
    for key, value in (LONG | {"results": str(results)}).items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    subprocess.run(words, check=True, capture_output=True)
    return without_times(results / f"runs/{RUN}/record.json")


def going_on(log):
    """The steps after which the present job has gone on; each job begins its log anew."""
    text = log.read_text() if log.exists() else ""
    return [int(step) for step in re.findall(rf"{RUN}: going on after step (\d+)", text)]


def test_a_job_that_is_preempted_and_runs_out_of_time_goes_on_to_the_same_bits(
    tmp_path, undisturbed
):
    """One job with two GPUs: two processes, started once, that make room for an urgent job.

    Requeued, it saves when Slurm tells it to, fails, and Snakemake submits it once more.
    """
    folder = copy_project(tmp_path)
    process = slurm_run(folder, LONG, BATCH, *TWO_GPUS)
    lock = folder / f"results/tiny/runs/{RUN}/lock"
    log = folder / "results/tiny/logs/train/fashion_mnist-cross_entropy-seed0.log"
    wait_until(lock.exists, process)
    job = running_job()
    assert re.search(r"NumTasks=1 .*gres[:/]gpu[:=]2", ask("scontrol", "show", "job", job), re.S)
    ask("srun", "--partition=urgent", "--gpus=2", "--ntasks=1", "true")
    wait_until(lambda: going_on(log), process)
    (requeued,) = going_on(log)
    assert running_job() == job
    assert "Restarts=1" in ask("scontrol", "show", "job", job)
    # What `--signal=TERM@300` in the profile does five minutes before the end.
    ask("scancel", "--signal=TERM", job)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert len(set(re.findall(r"SLURM jobid (\d+)", printed))) == 3  # verify_data, and this twice
    (submitted_again,) = going_on(log)
    assert submitted_again > requeued > 0
    record = folder / f"results/tiny/runs/{RUN}/record.json"
    assert json.loads(record.read_text())["processes"] == 2
    assert without_times(record) == undisturbed
