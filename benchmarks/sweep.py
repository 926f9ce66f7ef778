"""Runs that share a process against a process per run, and what a run costs beyond its steps.

    .venv/bin/python benchmarks/sweep.py [--recipes fashion_mnist kanji] [--processes 24] ...

Both are complete commands, `polyrepro train`, one after the other. So many as --processes says are
really started for single runs, and their mean counts for all.
`wall_ratio` is the time on the clock of one process per run over that of one process for all runs;
`processor_ratio` the same in processor time (user and system, of all children), which hardly
depends on what else the machine does, but of a GPU's work sees none.

`rest` is what a run costs beside its steps and its evaluations (preparing the network, metrics,
record, predictions), as a part of the steps; `evaluation` that of the evaluations. The first run is
left out: it decodes the images, which the others share.

Writes ``sweep.csv``.
"""

import argparse
import csv
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import torch

from polyrepro.classification import loop
from polyrepro.classification.synthetic import now
from polyrepro.data import load
from polyrepro.recipes import RECIPES
from polyrepro.running.environment import describe_environment, device_name
from polyrepro.running.execution import Execution
from polyrepro.running.jobs import train_and_record
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import cross_entropy, poly1, truncated

VARIANTS = (
    cross_entropy(),
    *(poly1(epsilon) for epsilon in (-1.0, 1.0, 2.0, 4.0)),
    *(truncated(terms) for terms in (1, 10, 100)),
)


class Cost(NamedTuple):
    """Seconds on the clock, and of processors."""

    wall: float
    processor: float


def command_cost(device: str, run_ids: list[str], changes: list[str]) -> Cost:
    """What `polyrepro train` takes with these runs in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        settings = ["--results", folder, "--set", f"device={device}", *changes]
        words = [sys.executable, "-m", "polyrepro", "train", *settings, *run_ids]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(words, stderr=subprocess.PIPE, text=True)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stderr)
    return Cost(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def parts_of_runs(recipe, device: torch.device, count: int) -> dict[str, float]:
    """Median parts of the time of a run that follows another one, relative to its steps."""
    clock = time.process_time if device.type == "cpu" else lambda: now(device)
    data, execution = load(recipe.dataset), Execution(Processes(device))
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for variant in VARIANTS[: count + 1]:
            spent = {"steps": 0.0, "evaluation": 0.0}
            run = Run(recipe=recipe, variant=variant, seed=0)
            with mock.patch.multiple(loop._Training, **_timed(spent, clock)):
                started = clock()
                train_and_record(Path(folder), run, data, execution)
                spent["rest"] = clock() - started - sum(spent.values())
            found.append({name: part / spent["steps"] for name, part in spent.items()})
    names = ("evaluation", "rest")
    return {name: statistics.median(parts[name] for parts in found[1:]) for name in names}


def _timed(spent: dict[str, float], clock: Callable[[], float]) -> dict:
    """Methods of the training loop that add what they take to `spent`."""
    epoch, evaluate = loop._Training._train_epoch, loop._Training._evaluate

    def train_epoch(self, number):
        steps = epoch(self, number)
        while True:
            started = clock()
            decision = next(steps, None)
            spent["steps"] += clock() - started
            if decision is None:
                return
            yield decision

    def timed_evaluate(self, split):
        started = clock()
        try:
            return evaluate(self, split)
        finally:
            spent["evaluation"] += clock() - started

    return {"_train_epoch": train_epoch, "_evaluate": timed_evaluate}


def measure(name: str, options: argparse.Namespace) -> dict:
    """The row of a recipe."""
    recipe, device = RECIPES[name], torch.device(options.device)
    run_ids = [
        f"{recipe.name}/{variant.name}/seed{seed}"
        for variant in VARIANTS[: options.variants]
        for seed in range(options.seeds)
    ]
    changes = []
    if options.train_images is not None:
        short = {"epochs": 1, "train_images": options.train_images}
        recipe = recipe.model_copy(update=short)
        changes = ["--set", f"overrides={{epochs: 1, train_images: {options.train_images}}}"]
    parts = parts_of_runs(recipe, device, count=3)
    together = command_cost(options.device, run_ids, changes)
    count = min(options.processes, len(run_ids))
    chosen = run_ids[:: len(run_ids) // count][:count]
    alone = [command_cost(options.device, [run_id], changes) for run_id in chosen]
    processor = describe_environment()["processor"]
    return {
        "recipe": recipe.name,
        "runs": len(run_ids),
        "device": processor if device.type == "cpu" else device_name(device),
        "processes_measured": len(alone),
        **compared(together, alone, len(run_ids)),
        **{name: round(part, 4) for name, part in parts.items()},
        "torch": torch.__version__,
    }


def compared(together: Cost, alone: list[Cost], runs: int) -> dict[str, float]:
    """The columns of both kinds of seconds: all runs in one process, the mean alone, the ratio."""
    columns = {}
    for kind in Cost._fields:
        one, mean = getattr(together, kind), statistics.mean(getattr(cost, kind) for cost in alone)
        columns[f"{kind}_one_process"] = round(one, 2)
        columns[f"{kind}_per_process"] = round(mean, 2)
        columns[f"{kind}_ratio"] = round(runs * mean / one, 3)
    return columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=["fashion_mnist"], choices=sorted(RECIPES))
    parser.add_argument("--variants", type=int, default=8, choices=range(1, len(VARIANTS) + 1))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--train-images", type=int, help="one epoch of so many, to try it")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in options.recipes:
        rows.append(measure(name, options))
        print(in_words(rows[-1]), flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    with open(options.output / "sweep.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def in_words(row: dict) -> str:
    """What a row says."""
    kinds = [
        f"{row[f'{kind}_one_process']:.1f} s {words} in one process and "
        f"{row[f'{kind}_per_process']:.1f} s each in processes of their own: ratio "
        f"{row[f'{kind}_ratio']:.2f}"
        for kind, words in (("wall", "on the clock"), ("processor", "of processors"))
    ]
    return (
        f"{row['recipe']}, {row['device']}: {row['runs']} runs take {'; '.join(kinds)}. Beyond its "
        f"steps a run takes {100 * row['evaluation']:.1f} % for evaluations and "
        f"{100 * row['rest']:.1f} % more"
    )


if __name__ == "__main__":
    main()
