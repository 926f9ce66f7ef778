"""The workflow through a real Slurm; scripts/one_node_slurm.sh starts one on this machine alone."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest
import torch
import yaml
from project_copy import SNAKEMAKE, TINY, copy_project

from polyrepro.classification.loop import train
from polyrepro.data import load
from polyrepro.plan import parse_run_id
from polyrepro.settings import Overrides

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


def slurm_run(folder, config, target):
    """Start Snakemake with the Slurm profile in a copy of the project."""
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    return subprocess.Popen(
        [*SNAKEMAKE, *PROFILE, "--configfile", "tiny.yaml", "--", target],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_trainings_are_jobs_with_a_gpu_each(tmp_path):
    folder = copy_project(tmp_path)
    config = TINY | {"studies": ["truncation"], "runs_per_job": 10, "results": "results/tiny"}
    process = slurm_run(folder, config, "results/tiny/metrics.csv")
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    submitted = re.findall(r"SLURM jobid (\d+)", printed)
    assert len(submitted) == 3  # two batches, and verify_data
    jobs = [
        subprocess.run(["scontrol", "show", "job", i], capture_output=True, text=True, check=True)
        for i in submitted
    ]
    gpus = [bool(re.search(r"gres[:/]gpu[:=]1", job.stdout)) for job in jobs]
    assert sorted(gpus) == [False, True, True]
    assert len(list((folder / "results/tiny/runs").rglob("record.json"))) == 18


def test_a_requeued_job_goes_on_from_its_checkpoint_to_the_same_bits(tmp_path):
    folder = copy_project(tmp_path)
    overrides = {"epochs": 60, "train_images": 3000}
    config = TINY | {
        "studies": ["truncation"],
        "seeds": 1,
        "runs_per_job": 1,
        "results": "results/tiny",
        "overrides": overrides,
    }
    run = "fashion_mnist/cross_entropy/seed0"
    process = slurm_run(folder, config, "results/tiny/batches/fashion_mnist-00.json")
    lock = folder / f"results/tiny/runs/{run}/lock"
    deadline = time.monotonic() + 120
    while not lock.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    queue = subprocess.run(["squeue", "-h", "-o", "%i"], capture_output=True, text=True, check=True)
    (job,) = queue.stdout.split()
    subprocess.run(["scontrol", "requeue", job], check=True)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    log = (folder / "results/tiny/logs/train/fashion_mnist-00.log").read_text()
    assert re.search(rf"{run}: going on after step \d+", log), log
    record = json.loads((folder / f"results/tiny/runs/{run}/record.json").read_text())
    undisturbed = train(
        parse_run_id(run, Overrides(**overrides)), load("fashion_mnist"), torch.device("cpu")
    )
    times = ("seconds", "images_per_second")
    assert [{k: v for k, v in row.items() if k not in times} for row in record["history"]] == [
        {k: v for k, v in row.items() if k not in times} for row in undisturbed
    ]
