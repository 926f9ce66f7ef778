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
skipped with a line that says so: polyloss (PyPI), and liger-kernel on CUDA.
"""

import argparse
import csv
import ctypes
import importlib
import platform
import random
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from polyrepro.losses import (
    PolyBinaryCrossEntropyLoss,
    poly_binary_cross_entropy,
    poly_cross_entropy,
)

Loss = Callable[[Tensor, Tensor], Tensor]
OURS = "polyrepro"
FEWEST_ROUNDS = 5


@dataclass
class Group:
    """Losses on the same data; the first one is what the others are compared with."""

    name: str
    rows: int
    classes: int
    labels: str
    rounds: int
    dtype: torch.dtype = torch.float32
    losses: list[tuple[str, str, Loss]] = field(default_factory=list)

    def data(self, device: str) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(self.rows, self.classes, generator=generator)
        if self.labels in ("index", "learnt"):
            target = torch.randint(0, self.classes, (self.rows,), generator=generator)
            if self.labels == "learnt":
                # P_t is above one half everywhere, as late in training.
                logits.scatter_(1, target.unsqueeze(1), 15.0)
        elif self.labels == "probabilities":
            target = torch.rand(logits.shape, generator=generator).softmax(1)
        else:
            target = (torch.rand(logits.shape, generator=generator) < 0.02).float()
        logits = logits.to(device, self.dtype).requires_grad_()
        return logits, target.to(device)


def peer(module: str, name: str) -> Callable | None:
    """An attribute of another package, or None and a line when it is not installed."""
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError:
        print(f"skipped: {module.split('.')[0]} is not installed")
        return None


def entry(package: str, name: str, loss: Loss | None) -> list[tuple[str, str, Loss]]:
    """One row of the table, none for a peer that is missing."""
    return [] if loss is None else [(package, name, loss)]


def softmax_losses(peers: list, **common) -> list[tuple[str, str, Loss]]:
    """torch's cross-entropy, ours with the same arguments, and peers."""

    def ours(**series) -> Loss:
        return lambda logits, target: poly_cross_entropy(logits, target, **series, **common)

    return [
        ("torch", "cross-entropy", partial(functional.cross_entropy, **common)),
        (OURS, "Poly-1", ours(epsilon=2.0)),
        (OURS, "Poly-3", ours(epsilon=(2.0, -0.4, 0.3))),
        (OURS, "focal", ours(gamma=2.0)),
        (OURS, "Poly-1 focal", ours(epsilon=2.0, gamma=2.0)),
        (OURS, "truncated, 8 terms", ours(terms=8)),
        (OURS, "truncated, 100 terms", ours(terms=100)),
        *peers,
    ]


def sigmoid_losses(device: str) -> list[tuple[str, str, Loss]]:
    ours = partial(poly_binary_cross_entropy, gamma=2.0, alpha=0.25)
    torchvision_loss = peer("torchvision.ops", "sigmoid_focal_loss")
    timm_loss = peer("timm.loss", "PolyBinaryCrossEntropy")
    compiled = torch.compile(PolyBinaryCrossEntropyLoss(gamma=2.0, alpha=0.25))
    return [
        ("torch", "cross-entropy", functional.binary_cross_entropy_with_logits),
        (OURS, "focal", ours),
        (OURS, "Poly-1 focal", partial(ours, epsilon=2.0)),
        *entry("torch.compile", "focal", compiled if device == "cuda" else None),
        *entry(
            "torchvision", "focal", torchvision_loss and partial(torchvision_loss, reduction="mean")
        ),
        *entry("timm", "Poly-1 focal", timm_loss and timm_loss(2.0, gamma=2.0, alpha=0.25)),
    ]


def groups(device: str) -> list[Group]:
    """The sizes: ImageNet-1K, ImageNet-21K, and the anchors of a detector."""
    timm_class, polyloss_class = peer("timm.loss", "PolyCrossEntropy"), peer("polyloss", "PolyLoss")
    timm_loss = entry("timm", "Poly-1", timm_class and timm_class(2.0))
    peers = timm_loss + entry("polyloss", "Poly-1", polyloss_class and polyloss_class(2.0))
    if device == "cuda":
        liger = peer("liger_kernel.transformers.functional", "liger_cross_entropy")
        peers += entry("liger-kernel", "cross-entropy", liger)
    large, dtype = (8192, torch.bfloat16) if device == "cuda" else (256, torch.float32)
    soft = softmax_losses([]) + timm_loss
    smoothed = softmax_losses([], label_smoothing=0.1)[:5]
    return [
        Group("class indices", 1024, 1000, "index", 101, losses=softmax_losses(peers)),
        Group("class indices", large, 21843, "index", 31, dtype, softmax_losses(peers)),
        Group("learnt class indices", 1024, 1000, "learnt", 51, losses=softmax_losses([])[:5]),
        Group("probabilities", 1024, 1000, "probabilities", 31, losses=soft),
        Group("probabilities", 256, 21843, "probabilities", 11, losses=soft),
        Group("smoothed indices", 1024, 1000, "index", 51, losses=smoothed),
        Group("sigmoid", 200_000, 80, "binary", 5, losses=sigmoid_losses(device)),
    ]


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
    return sum(arrays.values()) / logits.untyped_storage().nbytes()


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
            result = seconds(group.losses[number][2], logits, target)
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
            "kept_over_logits": round(kept_over_logits(loss, logits, target), 3),
            "floor_share": round(fewest_bytes(logits, target) / speed / median, 3) if speed else "",
            "rounds": len(times[number]),
        })  # fmt: skip
    return rows


def device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "cpu"


def draw(rows: list[dict], path: Path) -> None:
    """One panel per group and size: bars of the time ratio, with the kept memory beside.

    A bar is the ratio with memory at hand; a ring, that with memory fetched from the system.
    """
    panels: dict[tuple, dict[str, dict[str, dict]]] = {}
    for row in rows:
        panel = panels.setdefault(
            (row["group"], row["rows"], row["classes"], row["dtype"]), {}
        )  # fmt: skip
        panel.setdefault(f"{row['package']}: {row['loss']}", {})[row["memory"]] = row
    heights = [len(panel) for panel in panels.values()]
    size = (6.8, 0.24 * sum(heights) + 0.75 * len(panels))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False)
    for axis, ((name, count, classes, dtype), panel) in zip(
        axes[:, 0], panels.items(), strict=True
    ):
        draw_panel(axis, panel)
        axis.set_title(f"{name}, {count:,} x {classes:,}, {dtype}", fontsize=8, loc="left")
    axes[-1, 0].set_xlabel(
        "time, forward and backward, over torch's cross-entropy\n(bars: memory at hand; rings: "
        "memory fetched anew); memory kept for backward in multiples of the logits",
        fontsize=7,
    )
    figure.savefig(path, dpi=200)


def draw_panel(axis: Axes, panel: dict[str, dict[str, dict]]) -> None:
    """The losses of one group, from ``panel[label][memory]``."""
    for position, measured in enumerate(panel.values()):
        row = measured.get("kept") or measured["fetched"]
        colour = "#0072B2" if row["package"] == OURS else "#999999"
        axis.barh(position, row["ratio"], color=colour, height=0.7)
        text = f" {row['ratio']:.2f}   keeps {row['kept_over_logits']:.1f}"
        right = row["ratio"]
        if "kept" in measured and "fetched" in measured:
            other = measured["fetched"]["ratio"]
            axis.plot(other, position, "o", color="black", markerfacecolor="none", markersize=4)
            right = max(right, other + 0.03)
        # The numbers beside bars that end short of 1 interrupt the line there.
        background = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axis.text(right, position, text, va="center", fontsize=7, bbox=background, zorder=0.5)
    axis.set_yticks(range(len(panel)), panel)
    axis.axvline(1, color="black", linewidth=0.8, zorder=0)
    axis.invert_yaxis()
    axis.margins(x=0.25)
    axis.tick_params(labelsize=7)


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
