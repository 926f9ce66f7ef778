"""`polyrepro check-gpu`: whether this machine can run the trainings, before it is paid for days."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from polyrepro.check_gpu.outcome import CheckFailedError, SkippedError
from polyrepro.check_gpu.part_process import SKIPPED, PartProcess, Result
from polyrepro.check_gpu.parts import PARTS, Part
from polyrepro.running.gpus import can_be_shared, installed_gpus, visible_devices
from polyrepro.running.launch import gpus_given
from polyrepro.running.leases import leased

AT_ONCE = 2
"""Parts that run at the same time, on GPUs of their own or, if there is only one, both on it."""


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
    parts = [PARTS[name] for name in dict.fromkeys(options.parts)]
    with _gpus(options.device) as gpus:
        count = len(gpus or [])
        latest = datetime.now() + timedelta(minutes=options.minutes)
        _say(
            f"{len(parts)} part{'s' if len(parts) > 1 else ''} on {options.device}, done at "
            f"{latest:%H:%M:%S} at the latest; {count or 'a'} GPU{'s' if count > 1 else ''} may "
            f"need {expected_seconds(parts, max(1, count)):.0f} s, a guess that none has confirmed"
        )
        results = run_parts(parts, options.device, options.minutes, gpus)
    print(f"\n{table(results)}")
    wrong = []
    for outcome, words in (("failed", "failed"), ("no time", "not finished in time")):
        names = [result.part for result in results if result.outcome == outcome]
        if names:
            wrong.append(f"{words}: {', '.join(names)}")
    if wrong:
        raise CheckFailedError(f"check-gpu: {'; '.join(wrong)}")


def _one_part(part: Part, device: str) -> None:
    """What the process of a part does; its last line on standard output is what it found."""
    try:
        print(part.check(device))
    except SkippedError as reason:
        print(reason)
        sys.exit(SKIPPED)


@contextmanager
def _gpus(device: str) -> Iterator[list[str] | None]:
    """The GPUs to try, held meanwhile: as many as a part needs.

    Yields:
        Their names; None on a CPU, and if no two processes may use a GPU at once. The parts then
        lease them, and take turns.

    Raises:
        CheckFailedError: if there is none.
    """
    if device == "cpu":
        yield None
        return
    installed = installed_gpus()
    visible = visible_devices(installed)
    if not visible:
        raise CheckFailedError(
            "check-gpu: there is no GPU here (neither `nvidia-smi -L` nor torch lists one that "
            "CUDA_VISIBLE_DEVICES allows); run it in a job that has one"
        )
    count = min(len(visible), max(part.gpus for part in PARTS.values()))
    if not can_be_shared():
        yield None
    elif gpus_given():
        yield visible[:count]
    else:
        with leased(count, visible, identify=installed.identify) as (held, _):
            yield held


def expected_seconds(parts: list[Part], gpus: int) -> float:
    """How long the parts take on so many GPUs, from the guesses for each."""
    lanes = [0.0] * AT_ONCE
    for part in parts:
        if not part.alone:
            lanes[lanes.index(min(lanes))] += part.seconds
    return max(lanes) + sum(p.seconds for p in parts if p.alone and p.gpus <= gpus)


def run_parts(
    parts: list[Part], device: str, minutes: float, gpus: list[str] | None = None
) -> list[Result]:
    """Run parts, two at a time but for those that need the machine for themselves.

    Args:
        minutes: for all of them; what is running then is stopped, what is left is not tried.
        gpus: names of those that the parts share; None has each lease its own.

    Returns:
        Their results, in the order of the parts.
    """
    deadline = time.monotonic() + 60 * minutes
    waiting, running, results = list(parts), list[PartProcess](), dict[str, Result]()
    try:
        while waiting or running:
            time_is_up = time.monotonic() >= deadline
            while not time_is_up and waiting and _may_start(waiting[0], running):
                part = waiting.pop(0)
                _say(
                    f"[{len(parts) - len(waiting)}/{len(parts)}] {part.name}: {part.purpose}; "
                    f"perhaps {part.seconds} s"
                )
                running.append(PartProcess(part, device, gpus and _chosen(part, gpus, running)))
            for process in list(running):
                result = process.result(time_is_up)
                if result is not None:
                    running.remove(process)
                    results[result.part] = result
                    _report(result)
            if time_is_up:
                nothing = "none was left; give it more with --minutes"
                results |= {p.name: Result(p.name, "no time", 0.0, nothing) for p in waiting}
                waiting.clear()
            time.sleep(0.05)
    finally:
        for process in running:
            process.stop()
    return [results[part.name] for part in parts]


def _may_start(part: Part, running: list[PartProcess]) -> bool:
    if part.alone or any(process.part.alone for process in running):
        return not running
    return len(running) < AT_ONCE


def _chosen(part: Part, gpus: list[str], running: list[PartProcess]) -> list[str]:
    """All GPUs for a part that runs alone, else one, free if possible."""
    taken = [name for process in running for name in process.gpus or []]
    return gpus if part.alone else [min(gpus, key=taken.count)]


def _report(result: Result) -> None:
    for line in result.log:
        _say(f"      | {line}")
    _say(f"      {result.part} {result.outcome} after {result.seconds:.0f} s: {result.text}")


def table(results: list[Result]) -> str:
    """One line per part."""
    width = max(len(result.part) for result in results)
    return "\n".join(
        f"{r.part.ljust(width)}  {r.outcome:7s}  {r.seconds:5.0f} s  {r.text}" for r in results
    )


def _say(text: str) -> None:
    print(text, flush=True)
