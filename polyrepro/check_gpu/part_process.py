"""A part of the check in a process of its own, so that one that fails or hangs stops no other."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from polyrepro.check_gpu.parts import Part
from polyrepro.running.launch import GIVEN

SKIPPED = 77
"""Exit status of a part that cannot be tried here."""

LAST_LINES = 12
"""Of what a part printed that are shown when it failed."""

OUTCOMES = ("passed", "failed", "skipped", "no time")
"""A part without time has found nothing wrong, and nothing right."""


class Result(NamedTuple):
    """How a part ended: one of `OUTCOMES`, and what it found or why.

    Attributes:
        log: the last lines that it printed, if it did not end well.
    """

    part: str
    outcome: str
    seconds: float
    text: str
    log: tuple[str, ...] = ()


class PartProcess:
    """The process of a part, started when this is made.

    Args:
        gpus: names of those that it gets; None has it lease its own.

    Attributes:
        part: what it tries.
        gpus: as given.
    """

    def __init__(self, part: Part, device: str, gpus: list[str] | None = None) -> None:
        self.part, self.gpus, self._started = part, gpus, time.monotonic()
        # Removed by the system as soon as nobody has them open.
        self._found, self._log = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115
        command = [sys.executable, "-m", "polyrepro", "check-gpu", "--device", device]
        self._process = subprocess.Popen(
            [*command, "--only", part.name],
            stdout=self._found,
            stderr=self._log,
            start_new_session=True,
            env=_environment(gpus),
        )

    def result(self, time_is_up: bool = False) -> Result | None:
        """How the part ended; None while it goes on.

        Args:
            time_is_up: stop a part that goes on.
        """
        status = self._process.poll()
        if status is None and not time_is_up:
            return None
        self.stop()
        seconds = time.monotonic() - self._started
        found, log = (_lines(file) for file in (self._found, self._log))
        name = self.part.name
        if status in (0, SKIPPED):
            return Result(name, "passed" if status == 0 else "skipped", seconds, found[-1])
        last = tuple(log[-LAST_LINES:])
        if status is None:
            text = f"stopped after {seconds:.0f} s; give it more with --minutes"
            return Result(name, "no time", seconds, text, last)
        text = log[-1] if log else f"exit status {status}"
        return Result(name, "failed", seconds, text.removeprefix("polyrepro: error: "), last)

    def stop(self) -> None:
        """End the process and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _environment(gpus: list[str] | None) -> dict[str, str]:
    if gpus is None:
        # Slurm may have given this job several GPUs; each process is to lease its own of them.
        return {name: value for name, value in os.environ.items() if name != "SLURM_JOB_ID"}
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # as nvidia-smi, which named them
    return order | os.environ | {GIVEN: "1", "CUDA_VISIBLE_DEVICES": ",".join(gpus)}


def _lines(file) -> list[str]:
    file.seek(0)
    return file.read().strip().splitlines()
