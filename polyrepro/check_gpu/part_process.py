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

    Attributes:
        part: what it tries.
    """

    def __init__(self, part: Part, device: str) -> None:
        self.part, self._started = part, time.monotonic()
        # Removed by the system as soon as nobody has them open.
        self._found, self._log = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115
        command = [sys.executable, "-m", "polyrepro", "check-gpu", "--device", device]
        # Slurm may have given this job several GPUs; each process is to lease its own of them.
        environment = {k: v for k, v in os.environ.items() if k != "SLURM_JOB_ID"}
        self._process = subprocess.Popen(
            [*command, "--only", part.name],
            stdout=self._found,
            stderr=self._log,
            start_new_session=True,
            env=environment,
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


def _lines(file) -> list[str]:
    file.seek(0)
    return file.read().strip().splitlines()
