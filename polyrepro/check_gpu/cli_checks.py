"""Parts of the check that are commands of `polyrepro`, as the workflow calls them."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from polyrepro.check_gpu.outcome import CheckFailedError, SkippedError, require_detection
from polyrepro.files import record_path
from polyrepro.running.gpus import installed_gpus, visible_devices
from polyrepro.running.interruption import EXIT_STATUS

RUN = "fashion_mnist/poly1_e+2/seed0"
DETECTOR = "mask_rcnn_composites/poly1_e-1/seed0"
SHORT = "overrides={epochs: 4, train_images: 1280}"


def check_interruption(device: str, folder: Path) -> str:
    """A training that is stopped by SIGTERM and resumed ends as an undisturbed one.

    The resumed and the undisturbed one run side by side; on a GPU that takes one process at a time
    their leases make them take turns.
    """
    stopped = _start(device, folder / "stopped", "--set", SHORT, RUN)
    lock = record_path(folder / "stopped", RUN).parent / "lock"
    while not lock.exists():
        if stopped.poll() is not None:
            raise _ended(stopped, RUN)
        time.sleep(0.01)
    stopped.send_signal(signal.SIGTERM)
    status = stopped.wait()
    if status != EXIT_STATUS:
        raise CheckFailedError(f"after SIGTERM the exit status is {status}, not {EXIT_STATUS}")
    folders = (folder / "stopped", folder / "undisturbed")
    processes = [_start(device, results, "--set", SHORT, RUN) for results in folders]
    resumed, undisturbed = (
        _history(_record(process, results, RUN))
        for process, results in zip(processes, folders, strict=True)
    )
    if resumed != undisturbed:
        raise CheckFailedError(
            f"the resumed training ends with loss {resumed[-1]['loss']!r}, an undisturbed one "
            f"with {undisturbed[-1]['loss']!r}"
        )
    return "stopped by SIGTERM with a checkpoint, resumed, the same bits as undisturbed"


def _history(record: dict) -> list[dict]:
    """Without the times, which differ."""
    times = ("seconds", "images_per_second")
    return [{k: v for k, v in row.items() if k not in times} for row in record["history"]]


def check_two_processes(device: str, folder: Path) -> str:
    """One run on two devices ends as on one, up to rounding."""
    if device == "cuda":
        found = len(visible_devices(installed_gpus()))
        if found < 2:
            raise SkippedError(f"needs two GPUs, this machine has {found}")
    short = ("--set", "overrides={epochs: 1, train_images: 640, images_per_device: 64}", RUN)
    losses = [
        _trained(device, folder / f"{n}", "--set", f"processes_per_run={n}", *short)["history"][0]
        for n in (1, 2)
    ]
    one, two = (row["loss"] for row in losses)
    if not math.isclose(one, two, rel_tol=1e-3):
        raise CheckFailedError(f"the first loss is {one} in one process and {two} in two")
    return f"two processes train one run: first loss {two:.6f}, in one process {one:.6f}"


def check_detector(device: str, folder: Path) -> str:
    """Mask R-CNN of MMDetection with a Poly loss put in by the hook, trained and evaluated.

    Deterministic algorithms are on, as by default: an operator that has none ends the training.
    """
    require_detection()
    data = folder / "data" / "composites"
    _run(["data", "verify", "composites", "--output", str(data)])
    images = 40 if device == "cuda" else 8
    few = ("--set", f"overrides={{epochs: 1, train_images: {images}}}")
    record = _trained(device, folder, *few, DETECTOR)
    row = record["history"][0]
    return f"trained and evaluated, loss {row['loss']:.3f}, mean P_t {row['mean_pt']:.3f}"


def _trained(device: str, results: Path, *words: str) -> dict:
    """The record of a run, the last word, after `polyrepro train`."""
    return _record(_start(device, results, *words), results, words[-1])


def _record(process: subprocess.Popen, results: Path, run_id: str) -> dict:
    """The record of a run, once the command that trains it has ended."""
    if process.wait():
        raise _ended(process, run_id)
    return json.loads(record_path(results, run_id).read_text())


def _ended(process: subprocess.Popen, run_id: str) -> CheckFailedError:
    return CheckFailedError(f"`polyrepro train {run_id}` ended with {process.returncode}")


def _start(device: str, results: Path, *words: str) -> subprocess.Popen:
    arguments = ["train", "--results", str(results), "--set", f"device={device}", *words]
    return subprocess.Popen([sys.executable, "-m", "polyrepro", *arguments], env=os.environ)


def _run(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "polyrepro", *words])
    if done.returncode:
        raise CheckFailedError(f"`polyrepro {' '.join(words)}` ended with {done.returncode}")
