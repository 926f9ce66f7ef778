"""An estimate as text for a terminal."""

from polyrepro.estimate.costs import Estimate, RecipeCost
from polyrepro.estimate.throughputs import Rate


def describe(estimate: Estimate) -> str:
    """Tables per recipe and per study, the sums, and where the throughputs are from."""
    unit = estimate.processor.upper()
    sources: list[str] = []
    recipes = [_recipe_row(cost, sources) for cost in estimate.recipes]
    header = [f"images/s per {unit}", "from", f"{unit}-h per run", f"{unit}-hours"]
    disk = ["disk per run", "while training"]
    parts = [
        _aligned([["recipe", "runs", "images per run", *header, *disk], *recipes]),
        _aligned(study_rows(estimate)),
        sums(estimate),
        "\n".join([f"[{number}] {line}" for number, line in enumerate(sources, start=1)]),
        _assumptions(unit),
    ]
    return "\n\n".join(part for part in parts if part)


def study_rows(estimate: Estimate) -> list[list[str]]:
    """A header, a row per study whose first cell is its name, and the sums."""
    unit = estimate.processor.upper()
    rows = [["study", "runs", f"{unit}-hours alone", "new runs", f"{unit}-hours of those"]]
    for study in estimate.studies:
        alone, new = (_hours(hours, study.unknown) for hours in (study.hours, study.new_hours))
        rows.append([study.name, f"{study.runs}", alone, f"{study.new_runs}", new])
    total = _hours(estimate.hours, estimate.unknown_runs > 0)
    return [*rows, ["sum, each run once", "", "", f"{estimate.runs}", total]]


def _recipe_row(cost: RecipeCost, sources: list[str]) -> list[str]:
    hours = cost.hours_per_run
    images = "unknown" if cost.images is None else f"{cost.images:,}"
    return [
        cost.recipe.name,
        f"{cost.runs}",
        images,
        "unknown" if cost.rate is None else short(cost.rate.images_per_second),
        "" if cost.rate is None else _reference(cost.rate, sources),
        "unknown" if hours is None else short(hours),
        "unknown" if hours is None else short(hours * cost.runs),
        _size(cost.kept),
        _size(cost.while_training),
    ]


def _reference(rate: Rate, sources: list[str]) -> str:
    row = rate.origin
    size = "" if row.image_size is None else f", {row.image_size} px"
    how = f", times {rate.scaled:.2f} for the area of the images" if rate.scaled != 1 else ""
    line = (
        f"{row.model}{size}, {row.precision}{', compiled' if row.compile else ''}, {row.device}: "
        f"{short(row.images_per_second)}{how} ({row.status}: {row.source})"
    )
    if line not in sources:
        sources.append(line)
    return f"{row.status} [{sources.index(line) + 1}]"


def sums(estimate: Estimate) -> str:
    """Runs, hours and disk of the whole plan, in sentences."""
    unit, count, hours = estimate.processor.upper(), estimate.processes_per_run, estimate.hours
    unknown = estimate.unknown_runs
    took = _hours(hours / count, unknown > 0)
    days = f" ({short(hours / count / 24)} days)" if hours else ""
    lines = [
        f"{estimate.runs} runs, {_hours(hours, unknown > 0)} {unit}-hours; one run after the other "
        f"on {count} {unit}{'s' if count > 1 else ''}: {took} hours{days}."
    ]
    if unknown:
        lines.append(
            f"The throughput or the data set of {unknown} runs is unknown, so the sum is a lower "
            "bound; measure\nthe one with benchmarks/training.py or give a table with "
            "--throughputs, count the other with polyrepro data verify."
        )
    kept = sum(cost.runs * (cost.kept or 0) for cost in estimate.recipes)
    most = max((cost.while_training or 0 for cost in estimate.recipes), default=0)
    lines.append(
        f"Disk, data sets not included: {_size(kept)} in the end, and up to {_size(most)} more for "
        "each run that has begun and not finished (checkpoints)."
    )
    for name, (folder, size) in estimate.caches.items():
        lines.append(f"Cache of {name}: {_size(size)} in {folder}.")
    if any(None in (cost.kept, cost.while_training) for cost in estimate.recipes):
        lines.append("The size of some networks is unknown, so the disk is a lower bound, too.")
    return "\n".join(lines)


def _assumptions(unit: str) -> str:
    return (
        f"Hours are those of the {unit} that the images per second are from. An evaluated image "
        "counts as a third of a\ntrained one. Assumed is that images are read fast enough, and "
        f"that a run on N {unit}s is N times as fast as on one."
    )


def _hours(hours: float, lower_bound: bool) -> str:
    if lower_bound and not hours:
        return "unknown"
    return f"{'at least ' if lower_bound else ''}{short(hours)}"


def short(number: float) -> str:
    """Three digits are more than an estimate can promise."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def _size(count: int | None) -> str:
    if count is None:
        return "unknown"
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{short(count / factor)} {unit}"
    return f"{count / 1e3:.0f} kB"


def _aligned(rows: list[list[str]]) -> str:
    """The first column to the left, numbers to the right, two spaces between."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if column else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
