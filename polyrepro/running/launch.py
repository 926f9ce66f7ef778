"""From the command `train` to the processes that train: GPU leases, torchrun, signals.

No process outlives the command that started it.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable

from polyrepro.errors import PolyreproError
from polyrepro.running.gpus import installed_gpus, visible_devices
from polyrepro.running.interruption import InterruptedTrainingError, Interruption
from polyrepro.running.leases import leased

GIVEN = "POLYREPRO_GPUS_GIVEN"
"""Set by a command that holds leases, for those that it starts on the same GPUs."""

GRACE_SECONDS = 120
"""How long processes may take after SIGTERM to save a checkpoint."""


class ProcessesFailedError(PolyreproError):
    """One of the processes of a run ended with an error; the others have been stopped."""


def start(count: int, device: str, work: Callable[[], None]) -> None:
    """Do some work in this process, or in several that repeat this command.

    Args:
        count: processes.
        device: `cpu` or `cuda`; then each process gets a GPU of its own: the ones that Slurm or
            `polyrepro check-gpu` has given, or else leased ones.
        work: what a process does.

    Raises:
        DeviceError: if there are not enough GPUs.
        InterruptedTrainingError: if the processes stopped because of a signal.
        ProcessesFailedError: if one of them failed.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        stop_with_parent()
        work()
    elif device == "cuda" and not gpus_given():
        gpus = installed_gpus()
        lease = leased(count, visible_devices(gpus), identify=gpus.identify)
        with lease as (devices, handles):
            # nvidia-smi, which gave the indices their meaning, counts in this order.
            os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
            _run(count, work, handles)
    else:
        _run(count, work, ())


def gpus_given() -> bool:
    """Whether `CUDA_VISIBLE_DEVICES` names GPUs that this command need not share with others."""
    given = {"SLURM_JOB_ID", GIVEN} & os.environ.keys()
    return bool(given) and "CUDA_VISIBLE_DEVICES" in os.environ


def _run(count: int, work: Callable[[], None], leases: tuple[int, ...]) -> None:
    if count == 1:
        work()
    else:
        _run_several(count, leases)


def _run_several(count: int, leases: tuple[int, ...]) -> None:
    """Repeat this command in several processes.

    SIGTERM, SIGUSR1 and SIGINT are passed on: the processes save and stop.

    Args:
        leases: open files that torchrun inherits.

    Raises:
        InterruptedTrainingError: if they stopped because of a signal.
        ProcessesFailedError: if one of them failed; none is left running.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--max-restarts=0"]
    command += [f"--nproc-per-node={count}", "--module", "polyrepro", *sys.argv[1:]]
    # Threads are set by --cpus, later; without the variable torchrun warns at length.
    environment = {
        "OMP_NUM_THREADS": "1",
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(GRACE_SECONDS),
    } | os.environ
    with Interruption() as interruption:
        process = subprocess.Popen(
            command,
            preexec_fn=_in_torchrun_process,
            pass_fds=leases,
            env=environment,
            # Ctrl-C reaches this process alone: torchrun would kill the others on a second signal.
            process_group=0,
        )
        passed_on = False
        while process.poll() is None:
            if interruption.requested is not None and not passed_on:
                process.send_signal(signal.SIGTERM)
                passed_on = True
            try:
                process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
    if process.returncode == 0:
        return
    if interruption.requested is not None:
        raise InterruptedTrainingError(
            f"stopped on {interruption.requested.name}; run the same command again to go on"
        )
    raise ProcessesFailedError(
        f"one of {count} processes failed (see the first error above) and the others were stopped; "
        "run the same command again to go on from the last checkpoint"
    )


def stop_with_parent() -> None:
    """Have the kernel send this process SIGTERM when the one that started it dies (Linux)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(signal.SIGTERM))


def _in_torchrun_process() -> None:
    stop_with_parent()
    # Slurm sends SIGUSR1 to every process of a job. The training processes act on it; torchrun
    # itself knows nothing of it and would die.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
