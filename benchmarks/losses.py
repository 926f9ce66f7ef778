"""Time and memory of the losses beside torch's cross-entropy and other implementations.

    .venv/bin/python benchmarks/losses.py [--output results/benchmarks] [--device cpu]

Forward and backward of every loss are timed in one process, in rounds whose order is shuffled, and
compared by the ratio of medians to torch's own function on the same data; so a machine that is
slower at times is slower for all. Rounds in which another process took a core away are left out,
where enough others remain in all rows of a group.

On the CPU every group is measured twice. At first the C library gives large arrays back to the
system and fetches them anew, which can take longer than the arithmetic and favours losses that
make fewer arrays; then it is told to keep what it has (column ``memory``: "fetched" and "kept";
glibc only), which compares the arithmetic. On CUDA torch itself keeps the memory.

Kept for the backward pass is what the graph holds, in multiples of the logits. On CUDA each time is
also compared with its floor: the bytes that must be moved at least, over the bandwidth that a large
copy reaches there. Writes ``losses.csv`` and ``losses.png``. A peer that is not installed is
skipped with a line that says so: polyloss (PyPI), and liger-kernel on CUDA, which is given a
copy of the logits each time, because it overwrites them; making it is not timed.
"""

import argparse
import csv
import ctypes
import platform
import random
import resource
import statistics
import time
from pathlib import Path

import torch
from losses_cases import OVERWRITING, Group, Loss, groups
from losses_figure import draw
from torch import Tensor

FEWEST_ROUNDS = 5


def seconds(loss: Loss, logits: Tensor, target: Tensor) -> tuple[float, bool]:
    """The time of one forward and backward pass, and whether it was interrupted."""
    logits.grad = None
    interruptions = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    # One thread's own time leaves out what it waits for other processes.
    alone = not logits.is_cuda and torch.get_num_threads() == 1
    clock = time.thread_time if alone else time.perf_counter
    if logits.is_cuda:
        torch.cuda.synchronize()
    start = clock()
    loss(logits, target).mean().backward()
    if logits.is_cuda:
        torch.cuda.synchronize()
    elapsed = clock() - start
    return elapsed, resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw > interruptions


def own_logits(package: str, logits: Tensor) -> Tensor:
    """A copy, for a loss that would change what the others read."""
    return logits.detach().clone().requires_grad_() if package == OVERWRITING else logits


def undisturbed(rounds: dict[int, list[tuple[float, bool]]]) -> dict[int, list[float]]:
    """The times of the rounds without an interruption, or of all if too few are left."""
    calm = {
        number: [elapsed for elapsed, interrupted in each if not interrupted]
        for number, each in rounds.items()
    }
    if min(map(len, calm.values())) >= FEWEST_ROUNDS:
        return calm
    return {number: [elapsed for elapsed, _ in each] for number, each in rounds.items()}


def kept_over_logits(loss: Loss, logits: Tensor, target: Tensor) -> float:
    """Bytes of the distinct arrays that the graph keeps, over the logits' own."""
    arrays = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        arrays[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss(logits, target)
    return round(sum(arrays.values()) / logits.untyped_storage().nbytes(), 3)


def bandwidth(device: str) -> float:
    """Bytes per second, read and written, of a copy far larger than any cache."""
    source = torch.ones(2**30, dtype=torch.uint8, device=device)
    copy = torch.empty_like(source)
    elapsed = []
    for _ in range(10):
        torch.cuda.synchronize()
        start = time.perf_counter()
        copy.copy_(source)
        torch.cuda.synchronize()
        elapsed.append(time.perf_counter() - start)
    return 2 * source.nbytes / statistics.median(elapsed)


def fewest_bytes(logits: Tensor, target: Tensor) -> int:
    """Of both passes: each reads logits and labels, the second one writes the gradient."""
    return 3 * logits.nbytes + 2 * target.nbytes


def keep_memory() -> bool:
    """From now on the C library keeps all memory for further arrays; False where it cannot."""
    trim_threshold, most_mappings = -1, -4
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(most_mappings, 0) and mallopt(trim_threshold, -1))


def measure(group: Group, device: str, memory: str, speed: float | None) -> list[dict]:
    """A row per loss; ``speed`` is the bandwidth, where floors are wanted."""
    logits, target = group.data(device)
    rounds: dict[int, list] = {number: [] for number in range(len(group.losses))}
    order, shuffler = list(rounds), random.Random(0)
    for round_number in range(-2, group.rounds):
        shuffler.shuffle(order)
        for number in order:
            package, _, loss = group.losses[number]
            result = seconds(loss, own_logits(package, logits), target)
            if round_number >= 0:
                rounds[number].append(result)
    times = undisturbed(rounds)
    reference = statistics.median(times[0])
    rows = []
    for number, (package, name, loss) in enumerate(group.losses):
        low, median, high = statistics.quantiles(times[number], n=4)
        rows.append({
            "group": group.name, "rows": group.rows, "classes": group.classes,
            "dtype": str(group.dtype).removeprefix("torch."), "device": device_name(device),
            "threads": torch.get_num_threads(), "torch": torch.__version__,
            "memory": memory, "package": package, "loss": name,
            "milliseconds": round(1e3 * median, 4),
            "quartile_low": round(1e3 * low, 4), "quartile_high": round(1e3 * high, 4),
            "ratio": round(median / reference, 4),
            "kept_over_logits": kept_over_logits(loss, own_logits(package, logits), target),
            "floor_share": round(fewest_bytes(logits, target) / speed / median, 3) if speed else "",
            "rounds": len(times[number]),
        })  # fmt: skip
    return rows


def device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "cpu"


def show(group: Group, rows: list[dict], speed: float | None) -> None:
    """A block of the table on the screen."""
    name = f"{group.name}, {group.rows:,} x {group.classes:,}, {group.dtype}"
    print(f"\n{name}, memory {rows[0]['memory']}")
    for row in rows:
        floor = f"  floor / time {row['floor_share']:.2f}" if speed else ""
        print(
            f"  {row['package']:12} {row['loss']:22} {row['milliseconds']:10.3f} ms"
            f"  ratio {row['ratio']:6.3f}  keeps {row['kept_over_logits']:5.2f} x logits"
            f"{floor}  ({row['rounds']} rounds)",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks"))
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument("--rounds", type=int, help="at least 2, instead of each group's")
    arguments = parser.parse_args()
    rows, on_cuda = [], arguments.device == "cuda"
    speed = bandwidth("cuda") if on_cuda else None
    for memory in ("kept",) if on_cuda else ("fetched", "kept"):
        if memory == "kept" and not on_cuda and not keep_memory():
            print("\nskipped: this C library cannot be told to keep memory")
            continue
        for group in groups(arguments.device):
            group.rounds = max(arguments.rounds or group.rounds, 2)
            measured = measure(group, arguments.device, memory, speed)
            show(group, measured, speed)
            rows += measured
    arguments.output.mkdir(parents=True, exist_ok=True)
    with (arguments.output / "losses.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, arguments.output / "losses.png")
    print(f"\nwritten: {arguments.output / 'losses.csv'} and losses.png")


if __name__ == "__main__":
    main()
