"""Images per second: measured here by `make bench` or `make check-gpu`, or given with a source."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from polyrepro.errors import PolyreproError
from polyrepro.recipes import AnyRecipe

RESULTS = Path(__file__).parents[2] / "results"
GIVEN = RESULTS / "published" / "throughputs.csv"
MEASURED = RESULTS / "benchmarks" / "training.csv"
CHECKED = RESULTS / "benchmarks" / "check_gpu.csv"

LIKE = 2.0
"""Images whose sides differ by no more keep the same GPU about equally busy for each pixel."""


class ThroughputError(PolyreproError):
    """A table of throughputs that cannot be used."""


@dataclass(frozen=True)
class Throughput:
    """How fast a network trains on one device: a row of a table.

    Attributes:
        image_size: side of the square images, in pixels, of detectors the shorter side; None where
            it is unknown.
        precision: `float32`, `bfloat16` or `float16`.
        compile: whether `torch.compile` translated the network.
        processor: `gpu` or `cpu`.
        device: its name.
        images_per_second: forward, backward and step of the optimiser.
        status: `measured` by us or `given` by the source.
        source: where the number is from.
    """

    model: str
    image_size: int | None
    precision: str
    compile: bool
    processor: str
    device: str
    images_per_second: float
    status: str
    source: str


@dataclass(frozen=True)
class Rate:
    """What a recipe is taken to reach on one device.

    Attributes:
        images_per_second: of training.
        origin: the row that it is from.
        scaled: by how much the row's number was multiplied, for another image size.
    """

    images_per_second: float
    origin: Throughput
    scaled: float


def read_throughputs(
    given: Path = GIVEN, measured: tuple[Path, ...] = (MEASURED, CHECKED)
) -> list[Throughput]:
    """The rows of a table, and what has been measured here.

    Args:
        given: the table.
        measured: the measurements, as far as they exist; of two of the same the first one counts.

    Raises:
        ThroughputError: if a file cannot be read, a column is missing or a value is wrong.
    """
    return _read(given) + [row for path in measured if path.exists() for row in _read(path)]


def image_side(recipe: AnyRecipe) -> int | None:
    """Of a training image, in pixels, of detectors the shorter one; None where it is unknown."""
    scale = getattr(recipe, "scale", None)
    return scale[1] if scale else getattr(recipe, "image_size", None)


def rate_of(recipe: AnyRecipe, processor: str, rows: Iterable[Throughput]) -> Rate | None:
    """The rate to expect; None if no row has the recipe's network on such a processor.

    A row measured here with the recipe's precision and compilation comes first, if its images have
    at most `LIKE` times or at least a part of 1 / `LIKE` of the recipe's sides. Otherwise all rows
    count. Of those that count, the one with the closest image size is taken, the first of several,
    and its rate is scaled by the area of the images.
    """
    size = image_side(recipe)
    precision = "cpu_precision" if processor == "cpu" else "precision"
    wanted = (getattr(recipe, precision, "float32"), getattr(recipe, "compile", False))

    def preference(row: Throughput) -> tuple[bool, float]:
        distance = abs(math.log(_area_ratio(row, size)))
        measured = row.status == "measured" and (row.precision, row.compile) == wanted
        return not (measured and distance <= 2 * math.log(LIKE)), distance

    fitting = [row for row in rows if row.model == recipe.model and row.processor == processor]
    if not fitting:
        return None
    origin = min(fitting, key=preference)
    scaled = _area_ratio(origin, size)
    return Rate(origin.images_per_second * scaled, origin, scaled)


def _area_ratio(row: Throughput, size: int | None) -> float:
    if size is None or row.image_size is None:
        return 1.0
    return (row.image_size / size) ** 2


def _read(path: Path) -> list[Throughput]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ThroughputError(f"cannot read the throughputs {path}: {error}") from None
    return [_row(path, line, entries) for line, entries in enumerate(table, start=2)]


def _row(path: Path, line: int, entries: dict[str, str]) -> Throughput:
    missing = set(Throughput.__dataclass_fields__) - set(entries)
    if missing:
        raise ThroughputError(
            f"{path}: the column {', '.join(sorted(missing))} is missing; needed are "
            f"{', '.join(Throughput.__dataclass_fields__)}"
        )
    try:
        size = int(entries["image_size"]) if entries["image_size"] else None
        speed = float(entries["images_per_second"])
        if not (0 < speed < math.inf and (size is None or size > 0)):
            raise ValueError
    except ValueError:
        raise ThroughputError(
            f"{path}, line {line}: image_size {entries['image_size']!r} must be a whole number "
            f"above 0 or empty, images_per_second {entries['images_per_second']!r} a number above 0"
        ) from None
    for name, allowed in (("processor", ("gpu", "cpu")), ("status", ("measured", "given"))):
        if entries[name] not in allowed:
            raise ThroughputError(
                f"{path}, line {line}: {name} must be {' or '.join(allowed)}, not {entries[name]!r}"
            )
    texts = {k: entries[k] for k in ("model", "precision", "processor", "device", "status")}
    return Throughput(
        image_size=size,
        images_per_second=speed,
        compile=entries["compile"] == "true",
        source=entries["source"],
        **texts,
    )
