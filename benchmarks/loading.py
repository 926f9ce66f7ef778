"""Images per second of the streaming batches beside timm's loader, on the same photographs.

    .venv/bin/python benchmarks/loading.py PATH [PATH ...] [--output results/benchmarks]

Each PATH is a folder or a tar file of photographs in the layout of ImageNet-1K; few are enough.
Both loaders read the same images with the same number of workers, crop them at random to 224
pixels, mirror half of them and deliver normalised float32 batches on the device. timm does it with
and without its prefetcher, which normalises on the device and not in the workers. The loaders take
turns in a shuffled order, so a machine that is slower at times is slower for all, and medians over
the rounds are compared: `ratio` is the images per second over those of timm's faster way. The
processor time of all processes, `cpu_milliseconds` per image, hardly depends on what else runs.
Writes ``loading.csv``.
"""

import argparse
import csv
import itertools
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import PIL
import psutil
import timm
import torch
from timm.data import create_dataset, create_loader

from polyrepro.classification.streaming import StreamingBatches
from polyrepro.data.indexed.image_datasets import imagenet1k_sample
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.verification import verify
from polyrepro.recipes import ClassificationRecipe
from polyrepro.recipes.resnet50_imagenet1k import RESNET50_IMAGENET1K
from polyrepro.running.processes import Processes

OURS = "polyrepro"


def shown(interpolation: str, batch_size: int) -> ClassificationRecipe:
    """ResNet-50's recipe with another interpolation, whole batches at once."""
    changes = {"interpolation": interpolation, "channels_last": False}
    sizes = {"batch_size": batch_size, "images_per_device": batch_size}
    return RESNET50_IMAGENET1K.model_copy(update={**changes, **sizes})


Pass = Callable[[], int]
"""Reads all training images once; returns how many."""


def our_pass(
    data: IndexedImages, recipe: ClassificationRecipe, device: torch.device, workers: int
) -> Pass:
    batches = StreamingBatches(data, recipe, 0, Processes(device), workers)
    epochs = itertools.count()
    return lambda: sum(len(b.images) for step in batches.train(next(epochs)) for b in step)


def timm_pass(
    data: IndexedImages,
    recipe: ClassificationRecipe,
    device: torch.device,
    workers: int,
    prefetcher: bool,
) -> Pass:
    source = data.index.source(data.index.sources[0])
    root = Path(data.manifest["root"]) / (
        source if source.endswith(".tar") else Path(source).parts[0]
    )
    loader = create_loader(
        create_dataset("", root=str(root)),
        recipe.image_size,
        recipe.batch_size,
        is_training=True,
        scale=(recipe.min_crop_area, 1.0),
        color_jitter=0.0,
        interpolation=recipe.interpolation,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        device=device,
        use_prefetcher=prefetcher,
    )
    return lambda: sum(len(images.to(device)) for images, _ in loader)


def measure(
    passes: dict[str, Pass], device: torch.device, rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Seconds and processor seconds per image of every loader in every round.

    One more round comes before them, in which the workers start.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in passes}
    order, shuffler = list(passes), random.Random(0)
    for number in range(rounds + 1):
        shuffler.shuffle(order)
        for name in order:
            start, start_cpu = time.perf_counter(), processor_seconds()
            images = passes[name]()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds, cpu = time.perf_counter() - start, processor_seconds() - start_cpu
            if number:
                times[name].append((seconds / images, cpu / images))
    return times


def processor_seconds() -> float:
    """Used so far by this process and its workers, which live as long as the loaders."""
    processes = [psutil.Process(), *psutil.Process().children()]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def rows_of(path: Path, device: torch.device, arguments: argparse.Namespace) -> list[dict]:
    """The rows of one data set, both interpolations."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        verify(imagenet1k_sample(), path, Path(folder))
        data = IndexedImages(Path(folder))
        for interpolation in ("bilinear", "bicubic"):
            recipe = shown(interpolation, arguments.batch_size)
            common = (recipe, device, arguments.workers)
            times = measure(
                {
                    OURS: our_pass(data, *common),
                    "timm": timm_pass(data, *common, prefetcher=False),
                    "timm, prefetcher": timm_pass(data, *common, prefetcher=True),
                },
                device,
                arguments.rounds,
            )
            medians = {n: statistics.median(t[0] for t in times[n]) for n in times}
            fastest = min(median for name, median in medians.items() if name != OURS)
            for name, values in times.items():
                high, median, low = (1 / t for t in statistics.quantiles([v[0] for v in values]))
                cpu = 1e3 * statistics.median(value[1] for value in values)
                rows.append({
                    "layout": "tar" if path.is_file() else "folder",
                    "photographs": len(data.rows("train")), "interpolation": interpolation,
                    "workers": arguments.workers, "batch_size": arguments.batch_size,
                    "device": device.type, "processor": platform.processor() or "cpu",
                    "cores": len(os.sched_getaffinity(0)), "torch": torch.__version__,
                    "timm": timm.__version__, "pillow": PIL.__version__, "loader": name,
                    "images_per_second": round(median, 1), "quartile_low": round(low, 1),
                    "quartile_high": round(high, 1), "ratio": round(median * fastest, 3),
                    "cpu_milliseconds": round(cpu, 3),
                    "rounds": arguments.rounds,
                })  # fmt: skip
                print(
                    f"{rows[-1]['layout']:7} {interpolation:9} {name:17} {median:8.1f} images/s"
                    f"  ({low:.1f} to {high:.1f})  ratio {rows[-1]['ratio']:.3f}"
                    f"  processor {cpu:.2f} ms"
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9, help="at least 2")
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu"
    )
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    rows = [row for path in arguments.data for row in rows_of(path, device, arguments)]
    arguments.output.mkdir(parents=True, exist_ok=True)
    with (arguments.output / "loading.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"written: {arguments.output / 'loading.csv'}")


if __name__ == "__main__":
    main()
