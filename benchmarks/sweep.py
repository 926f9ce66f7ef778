"""Runs that share a process against a process per run, and what a run costs beyond its steps.

    .venv/bin/python benchmarks/sweep.py [--recipe fashion_mnist] [--variants 8] [--seeds 3] ...

`ratio` is the cost of one process per run over that of one process for all runs. Both are complete
commands, `polyrepro train`; so many as --processes says are really started for single runs, and
their mean counts for all. On a CPU the cost is processor time, which hardly depends on what else
runs; on a GPU it is the time on the clock, and the processes follow one another.

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


def command_cost(device: str, run_ids: list[str], changes: list[str]) -> float:
    """Seconds of `polyrepro train` with these runs in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        settings = ["--results", folder, "--set", f"device={device}", *changes]
        words = [sys.executable, "-m", "polyrepro", "train", *settings, *run_ids]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(words, stderr=subprocess.PIPE, text=True)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stderr)
    if device == "cuda":
        return wall
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


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


def measure(options: argparse.Namespace) -> dict:
    """A row of the table."""
    recipe, device = RECIPES[options.recipe], torch.device(options.device)
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
    chosen = run_ids[:: max(1, len(run_ids) // options.processes)][: options.processes]
    alone = [command_cost(options.device, [run_id], changes) for run_id in chosen]
    processor = describe_environment()["processor"]
    return {
        "recipe": recipe.name,
        "runs": len(run_ids),
        "device": processor if device.type == "cpu" else device_name(device),
        "seconds_one_process": round(together, 2),
        "seconds_per_process": round(statistics.mean(alone), 2),
        "processes_measured": len(alone),
        "ratio": round(len(run_ids) * statistics.mean(alone) / together, 3),
        **{name: round(part, 4) for name, part in parts.items()},
        "torch": torch.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="fashion_mnist", choices=sorted(RECIPES))
    parser.add_argument("--variants", type=int, default=8, choices=range(1, len(VARIANTS) + 1))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--train-images", type=int, help="one epoch of so many, to try it")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    row = measure(options)
    options.output.mkdir(parents=True, exist_ok=True)
    with open(options.output / "sweep.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        table.writeheader()
        table.writerow(row)
    print(
        f"{row['recipe']}, {row['device']}: {row['runs']} runs take "
        f"{row['seconds_one_process']:.1f} s in one process, {row['seconds_per_process']:.1f} s "
        f"each in processes of their own: ratio {row['ratio']:.2f}; beyond its steps a run takes "
        f"{100 * row['evaluation']:.1f} % for evaluations and {100 * row['rest']:.1f} % more"
    )


if __name__ == "__main__":
    main()
