"""`polyrepro check-gpu`: whether this machine can run the trainings, before it is paid for days."""

import argparse
import sys
import time
from datetime import datetime, timedelta

from polyrepro.check_gpu.outcome import CheckFailedError, SkippedError
from polyrepro.check_gpu.part_process import SKIPPED, PartProcess, Result
from polyrepro.check_gpu.parts import PARTS, Part
from polyrepro.running.gpus import installed_gpus, visible_devices

AT_ONCE = 2
"""Parts that run at the same time. Each leases a GPU: where there is only one they take turns, and
one imports its libraries while the other computes."""

IMPORTS = 5
"""Seconds that a part imports before it needs its GPU."""


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
    gpus = 0 if options.device == "cpu" else len(visible_devices(installed_gpus()))
    if options.device == "cuda" and not gpus:
        raise CheckFailedError(
            "check-gpu: there is no GPU here (neither `nvidia-smi -L` nor torch lists one that "
            "CUDA_VISIBLE_DEVICES allows); run it in a job that has one"
        )
    parts = [PARTS[name] for name in dict.fromkeys(options.parts)]
    latest = datetime.now() + timedelta(minutes=options.minutes)
    _say(
        f"{len(parts)} part{'s' if len(parts) > 1 else ''} on {options.device}, done at "
        f"{latest:%H:%M:%S} at the latest; {gpus or 'a'} GPU{'s' if gpus > 1 else ''} may need "
        f"{expected_seconds(parts, max(1, gpus)):.0f} s, a guess that none has confirmed yet"
    )
    results = run_parts(parts, options.device, options.minutes)
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


def expected_seconds(parts: list[Part], gpus: int) -> float:
    """How long the parts take, from the guesses for each, on so many GPUs."""
    alone = sum(part.seconds for part in parts if part.alone and part.gpus <= gpus)
    shared = [part.seconds for part in parts if not part.alone]
    if gpus < AT_ONCE:
        return alone + sum(shared) - IMPORTS * max(0, len(shared) - 1)
    lanes = [0.0] * AT_ONCE
    for seconds in shared:
        lanes[lanes.index(min(lanes))] += seconds
    return alone + max(lanes)


def run_parts(parts: list[Part], device: str, minutes: float) -> list[Result]:
    """Run parts, two at a time but for those that need the machine for themselves.

    Args:
        minutes: for all of them; what is running then is stopped, what is left is not tried.

    Returns:
        Their results, in the order of the parts.
    """
    deadline = time.monotonic() + 60 * minutes
    waiting, running, results = list(parts), list[PartProcess](), dict[str, Result]()
    try:
        while waiting or running:
            time_is_up = time.monotonic() >= deadline
            while not time_is_up and waiting and _may_start(waiting[0], running):
                running.append(_started(waiting.pop(0), len(parts) - len(waiting), parts, device))
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


def _started(part: Part, number: int, parts: list[Part], device: str) -> PartProcess:
    _say(f"[{number}/{len(parts)}] {part.name}: {part.purpose}; perhaps {part.seconds} s")
    return PartProcess(part, device)


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
