"""`polyrepro check-gpu`: whether this machine can run the trainings, before it is paid for days.

Every part is a process of its own, so that one that fails or hangs does not stop the others.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from typing import NamedTuple

from polyrepro.check_gpu.outcome import CheckFailedError, SkippedError
from polyrepro.check_gpu.parts import PARTS, Part
from polyrepro.running.gpus import installed_gpus, visible_devices

SKIPPED = 77
"""Exit status of a part that cannot be tried here."""

LAST_LINES = 12
"""Of what a part printed that are shown when it failed."""


OUTCOMES = ("passed", "failed", "skipped", "no time")
"""A part without time has found nothing wrong, and nothing right."""


class Result(NamedTuple):
    """How a part ended: one of `OUTCOMES`, and what it found or why."""

    part: str
    outcome: str
    seconds: float
    text: str


def add_check_command(commands: argparse._SubParsersAction) -> None:
    """Add `check-gpu` to the commands of `polyrepro`."""
    command = commands.add_parser("check-gpu", help="try everything on this machine's GPU")
    command.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="cpu tries the check itself"
    )
    command.add_argument("--minutes", type=float, default=3.0, help="for everything (default 3)")
    command.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    command.add_argument("--only", choices=PARTS, help=argparse.SUPPRESS)
    command.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> None:
    if options.only is not None:
        _one_part(PARTS[options.only], options.device)
        return
    if options.device == "cuda" and not visible_devices(installed_gpus()):
        raise CheckFailedError(
            "check-gpu: there is no GPU here (neither `nvidia-smi -L` nor torch lists one that "
            "CUDA_VISIBLE_DEVICES allows); run it in a job that has one"
        )
    results = run_parts([PARTS[name] for name in options.parts], options.device, options.minutes)
    print(f"\n{table(results)}")
    wrong = []
    for outcome, words in (("failed", "failed"), ("no time", "not finished in time")):
        parts = [result.part for result in results if result.outcome == outcome]
        if parts:
            wrong.append(f"{words}: {', '.join(parts)}")
    if wrong:
        raise CheckFailedError(f"check-gpu: {'; '.join(wrong)}")


def _one_part(part: Part, device: str) -> None:
    """What the process of a part does; its last line on standard output is what it found."""
    try:
        print(part.check(device))
    except SkippedError as reason:
        print(reason)
        sys.exit(SKIPPED)


def run_parts(parts: list[Part], device: str, minutes: float) -> list[Result]:
    """Run parts one after the other; says what it does and when it will be done.

    Args:
        minutes: for all of them; what is running then is stopped, what is left is not tried.
    """
    deadline = time.monotonic() + 60 * minutes
    latest = datetime.now() + timedelta(minutes=minutes)
    _say(
        f"{len(parts)} part{'s' if len(parts) > 1 else ''} on {device}, done at {latest:%H:%M:%S} "
        "at the latest; how long each takes is a guess, which no GPU has confirmed yet"
    )
    results = []
    for number, part in enumerate(parts, start=1):
        _say(f"[{number}/{len(parts)}] {part.name}: {part.purpose}; perhaps {part.seconds} s")
        result = _run_part(part, device, deadline - time.monotonic())
        _say(f"      {result.outcome} after {result.seconds:.0f} s: {result.text}")
        results.append(result)
    return results


def _run_part(part: Part, device: str, left: float) -> Result:
    if left <= 0:
        return Result(part.name, "no time", 0.0, "none was left; give it more with --minutes")
    command = [sys.executable, "-m", "polyrepro", "check-gpu", "--device", device]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as found, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*command, "--only", part.name], stdout=found, stderr=log, start_new_session=True
        )
        try:
            status = process.wait(timeout=left)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        seconds = time.monotonic() - started
        texts = [_lines(file) for file in (found, log)]
    if status in (0, SKIPPED):
        return Result(part.name, "passed" if status == 0 else "skipped", seconds, texts[0][-1])
    _say("\n".join(f"      | {line}" for line in texts[1][-LAST_LINES:]))
    if status is None:
        text = f"stopped after {seconds:.0f} s; give it more with --minutes"
        return Result(part.name, "no time", seconds, text)
    text = texts[1][-1] if texts[1] else f"exit status {status}"
    return Result(part.name, "failed", seconds, text.removeprefix("polyrepro: error: "))


def _lines(file) -> list[str]:
    file.seek(0)
    return file.read().strip().splitlines()


def table(results: list[Result]) -> str:
    """One line per part."""
    width = max(len(result.part) for result in results)
    return "\n".join(
        f"{r.part.ljust(width)}  {r.outcome:7s}  {r.seconds:5.0f} s  {r.text}" for r in results
    )


def _say(text: str) -> None:
    print(text, flush=True)
