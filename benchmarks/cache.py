"""Reading photographs from the cache of resized images, beside decoding them in full each time.

    .venv/bin/python benchmarks/cache.py PATH [--output results/benchmarks]

PATH is a folder or a tar file of photographs in the layout of ImageNet-1K; few are enough. Every
row of ``cache.csv`` is a way to store them (as they are; the cache, JPEG of quality 90; JPEG of
quality 95; uncompressed pixels) and a size of the recipe `resnet50_short`: random crops of its
three sizes in training, the centre in evaluation. `milliseconds` are those of one processor per
image, from bytes to the uint8 crop, medians over rounds in which all ways take turns; `ratio` is
that of the photographs as they are over that of the way. `bytes` are those of an image. At last
both real ways go through the batches of a training, with workers, by the clock; their time has
the conversion to normalised floating-point numbers in it.
"""

import argparse
import csv
import io
import itertools
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image

from polyrepro.classification.streaming import StreamingBatches, evenly_spaced
from polyrepro.classification.views import Views
from polyrepro.data.decoding import decode_rgb, open_image
from polyrepro.data.indexed.cache_making import make_cache
from polyrepro.data.indexed.image_datasets import imagenet1k_sample
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.verification import verify
from polyrepro.recipes import RECIPES
from polyrepro.running.processes import Processes

RECIPE = RECIPES["resnet50_short"]
SIZES = sorted({RECIPE.image_size_at(epoch) for epoch in range(RECIPE.epochs)})
ORIGINALS, CACHE = "originals", "cache (JPEG 90)"

Open = Callable[[int], Image.Image]
"""An image by its row, its header read."""


def stored(data: IndexedImages, cached: IndexedImages, rows: Iterable[int]) -> dict[str, Open]:
    """The ways to store the photographs; those that the package does not have are in memory."""
    resized = {row: decode_rgb(cached.open(row), "") for row in rows}
    finer: dict[int, bytes] = {}
    for row, image in resized.items():
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=95)
        finer[row] = buffer.getvalue()
    pixels = {row: np.asarray(image) for row, image in resized.items()}
    return {
        ORIGINALS: data.open,
        CACHE: cached.open,
        "JPEG 95": lambda row: open_image(finer[row], ""),
        "pixels": lambda row: Image.fromarray(pixels[row]),
    }


def bytes_of(opened: Image.Image) -> int:
    """Of an image as it is stored."""
    if opened.format is None:
        return 3 * opened.width * opened.height
    return opened.fp.seek(0, io.SEEK_END)


def milliseconds(ways: dict[str, Open], size: int | None, rows: list[int], rounds: int) -> dict:
    """Processor time per image and way: medians; `size` is None for evaluation."""
    views = Views(
        RECIPE.model_copy(update={"image_size": size or RECIPE.image_size, "growth": ()}), 0
    )
    times: dict[str, list[float]] = {name: [] for name in ways}
    for epoch in range(rounds):
        for name, opened in ways.items():
            start = time.process_time()
            for row in rows:
                if size is None:
                    views.evaluation(opened(row), "")
                else:
                    views.training(opened(row), "", epoch, row)
            times[name].append((time.process_time() - start) / len(rows))
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def through_batches(
    data: IndexedImages, cached: IndexedImages, workers: int, rounds: int
) -> dict[str, float]:
    """Milliseconds per image by the clock, at the first size, through the batches of a training."""
    recipe = RECIPE.model_copy(update={"batch_size": 64, "images_per_device": 64})
    passes = {
        name: StreamingBatches(images, recipe, 0, Processes(torch.device("cpu")), workers)
        for name, images in ((ORIGINALS, data), (CACHE, cached))
    }
    epochs, times = itertools.count(), {name: [] for name in passes}
    for number in range(rounds + 1):  # the workers start in the first one
        epoch = next(epochs) % 2
        for name, batches in passes.items():
            start = time.perf_counter()
            images = sum(len(b.images) for step in batches.train(epoch) for b in step)
            times[name] += [(time.perf_counter() - start) / images] if number else []
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="PATH")
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--photographs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    common = {
        "processor": platform.processor() or "cpu", "pillow": PIL.__version__,
        "rounds": arguments.rounds,
    }  # fmt: skip
    table = []
    with tempfile.TemporaryDirectory() as folder:
        index, cache = Path(folder) / "index", Path(folder) / "cache"
        verify(imagenet1k_sample(), arguments.data, index)
        data = IndexedImages(index)
        make_cache(data, cache, RECIPE.shorter_side, arguments.workers)
        cached = IndexedImages(index, (cache, RECIPE.shorter_side))
        rows = evenly_spaced(data.rows("train"), arguments.photographs).tolist()
        ways = stored(data, cached, rows)
        sizes = {n: statistics.mean(bytes_of(w(row)) for row in rows) for n, w in ways.items()}
        shown = {f"training, {size} px": size for size in SIZES}
        shown[f"evaluation, {RECIPE.evaluation_size} px"] = None
        measured = {
            (what, len(rows), 0): milliseconds(ways, size, rows, arguments.rounds)
            for what, size in shown.items()
        }
        what = (f"batches of training, {SIZES[0]} px", len(data.rows("train")), arguments.workers)
        measured[what] = through_batches(data, cached, arguments.workers, arguments.rounds)
    for (what, photographs, workers), found in measured.items():
        for name, value in found.items():
            table.append({
                "what": what, "storage": name, "bytes": round(sizes[name]),
                "milliseconds": round(value, 3), "ratio": round(found[ORIGINALS] / value, 2),
                "photographs": photographs, "workers": workers, **common,
            })  # fmt: skip
            print(f"{what:30} {name:16} {sizes[name]:8.0f} bytes {value:6.2f} ms"
                  f"  ratio {found[ORIGINALS] / value:.2f}")  # fmt: skip
    arguments.output.mkdir(parents=True, exist_ok=True)
    with (arguments.output / "cache.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    print(f"written: {arguments.output / 'cache.csv'}")


if __name__ == "__main__":
    main()
