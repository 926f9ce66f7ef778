"""One run spread over several processes: two on the CPU, as they would be on eight GPUs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small_trainings import HERE, POLY1, RECIPE, history, without_times
from timm.models import register_model
from torch import nn

from polyrepro.classification.batches import MemoryBatches, passes_of
from polyrepro.classification.loop import train
from polyrepro.classification.running_statistics import RunningStatistics
from polyrepro.data import load
from polyrepro.files import record_path
from polyrepro.plan import parse_run_id
from polyrepro.running.interruption import EXIT_STATUS
from polyrepro.running.processes import DeviceError, Processes
from polyrepro.runs import Run
from polyrepro.settings import Overrides

RUN_ID = "fashion_mnist/poly1_e+2/seed0"
OVERRIDES = {"epochs": 2, "train_images": 1280, "images_per_device": 32}


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


def start(results, timeout=60, processes=2, **overrides):
    """`polyrepro train` with several processes."""
    words = [sys.executable, "-m", "polyrepro", "train", RUN_ID, "--timeout", str(timeout)]
    words += ["--set", f"results={results}", "--set", f"processes_per_run={processes}"]
    words += ["--set", f"overrides={json.dumps(OVERRIDES | overrides)}"]
    # Processes that do not stop when they are told to are killed after two seconds.
    environment = os.environ | {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "2"}
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment)


def finished_history(process, results):
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return without_times(json.loads(record_path(results, RUN_ID).read_text())["history"])


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


def wait_until_training(process, results):
    """Until rank 0 holds the run, and then a little longer."""
    lock = record_path(results, RUN_ID).parent / "lock"
    lock.unlink(missing_ok=True)
    deadline = time.monotonic() + 120
    while not lock.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()[1]
    time.sleep(0.5)


def checkpoints_of(results):
    return record_path(results, RUN_ID).parent / "checkpoints"


def test_two_processes_train_what_one_does(data, tmp_path):
    several = finished_history(start(tmp_path), tmp_path)
    alone = history(parse_run_id(RUN_ID, Overrides(**OVERRIDES)), data)
    assert [(row["epoch"], row["split"]) for row in several] == [
        (row["epoch"], row["split"]) for row in alone
    ]
    for row, expected in zip(several, alone, strict=True):
        # One image of 2000 more or less is right, if at all.
        assert row["top1"] == pytest.approx(expected["top1"], abs=0.2)
        for name in ("loss", "mean_pt", "cross_entropy", "leading_share"):
            assert row[name] == pytest.approx(expected[name], rel=1e-3)


def test_signals_dead_and_hanging_processes_change_no_bit_of_the_result(tmp_path):
    longer = {"epochs": 16}
    undisturbed = finished_history(start(tmp_path / "a", **longer), tmp_path / "a")
    results = tmp_path / "b"

    process = start(results, **longer)  # asked to make room, all processes at once, as Slurm does
    wait_until_training(process, results)
    for pid in (*workers(results).values(), process.pid):
        os.kill(pid, signal.SIGUSR1)
    _, error = process.communicate(timeout=120)
    assert process.returncode == EXIT_STATUS, error
    assert len(list(checkpoints_of(results).glob("step_*"))) == 1

    # Another number of processes takes it over, and the result is equal up to rounding.
    shutil.copytree(results, tmp_path / "c")
    alone = finished_history(start(tmp_path / "c", processes=1, **longer), tmp_path / "c")
    assert [row["epoch"] for row in alone] == [row["epoch"] for row in undisturbed]
    assert alone[-1]["loss"] == pytest.approx(undisturbed[-1]["loss"], rel=0.05)

    process = start(results, **longer)  # one process dies
    wait_until_training(process, results)
    os.kill(workers(results)[1], signal.SIGKILL)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1 and "one of 2 processes failed" in error
    assert workers(results) == {}

    process = start(results, timeout=3, **longer)  # one process hangs
    wait_until_training(process, results)
    os.kill(workers(results)[1], signal.SIGSTOP)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1 and "one of 2 processes failed" in error
    assert workers(results) == {}

    process = start(results, **longer)  # the command itself is killed: nobody is left behind
    wait_until_training(process, results)
    left = workers(results)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while workers(results) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(left) == 2 and workers(results) == {}

    process = start(results, **longer)
    assert finished_history(process, results) == undisturbed
    assert not checkpoints_of(results).exists()


def test_passes_are_shared_equally_or_not_at_all():
    recipe = RECIPE.model_copy(update={"images_per_device": 32})
    shares = [passes_of(recipe, Processes(torch.device("cpu"), rank, 2)) for rank in (0, 1)]
    assert [list(share) for share in shares] == [[0, 2], [1, 3]]
    message = "takes 4 forward passes of 32 images per step, which 3 processes cannot share equally"
    with pytest.raises(DeviceError, match=message):
        passes_of(recipe, Processes(torch.device("cpu"), 0, 3))


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_evaluation_counts_every_image_once_whatever_the_number_of_processes(data, count):
    recipe = RECIPE.model_copy(update={"images_per_device": 16})
    if recipe.passes_per_step % count:
        recipe = recipe.model_copy(update={"batch_size": 16 * count})
    names = []
    for rank in range(count):
        batches = MemoryBatches(data, recipe, 0, Processes(torch.device("cpu"), rank, count))
        names += [name for batch in batches.evaluation("test", 300) for name in batch.names]
    assert len(names) == len(set(names)) == 2000


@register_model
def polyrepro_test_linear(in_chans=1, num_classes=10, **_from_timm):
    """A network without batch normalisation."""
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28 * in_chans, num_classes))


def test_accumulated_passes_give_the_gradient_of_the_whole_batch(data):
    changes = {"model": "polyrepro_test_linear", "epochs": 1, "train_images": 512}
    weights = []
    for images in (128, 32):
        recipe = RECIPE.model_copy(update={**changes, "images_per_device": images})
        state = train(Run(recipe=recipe, variant=POLY1, seed=0), data, HERE)
        weights.append(state.network[1].weight.detach())
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-6)
    assert weights[0].std() > 1e-3


def test_running_statistics_move_once_per_step_however_many_passes_it_takes():
    norm, images = nn.BatchNorm1d(2), torch.randn(4, 8, 2) + 3
    statistics = RunningStatistics(norm, Processes(torch.device("cpu")), 4)
    statistics.begin_step()
    for part in images:
        norm(part)
        statistics.end_pass()
    statistics.end_step()
    torch.testing.assert_close(norm.running_mean, 0.1 * images.mean(dim=(0, 1)))
