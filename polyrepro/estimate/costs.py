"""From a plan and throughputs to hours and bytes, per recipe and per study."""

from dataclasses import dataclass
from pathlib import Path

from polyrepro.estimate.sizes import (
    BYTES,
    CHECKPOINTS,
    cache_bytes,
    evaluated_images,
    evaluation_area,
    image_counts,
    mean_area,
    record_bytes,
    state_count,
    weight_count,
)
from polyrepro.estimate.throughputs import Rate, Throughput, rate_of
from polyrepro.plan import Plan
from polyrepro.recipes import AnyRecipe
from polyrepro.runs import Run

EVALUATION_COST = 1 / 3
"""Of an evaluated image, in trained ones: only the forward pass, a third of the operations."""


@dataclass(frozen=True)
class RecipeCost:
    """The runs of a recipe; every one costs the same.

    Attributes:
        images: trained per run, all epochs together; None if the data set's size is unknown.
        evaluated: images evaluated per run.
        area: mean of a trained image, in those of the recipe's final size, which the rate is for.
        evaluation_area: the same of an evaluated image.
        rate: of training, on one device; None if unknown.
        kept: bytes on disk per finished run; None if the size of the network is unknown.
        while_training: further bytes of a run that has not finished.
    """

    recipe: AnyRecipe
    runs: int
    images: int | None
    evaluated: int | None
    area: float
    evaluation_area: float
    rate: Rate | None
    kept: int | None
    while_training: int | None

    @property
    def hours_per_run(self) -> float | None:
        """Device-hours of one run; None if unknown."""
        if self.rate is None or self.images is None or self.evaluated is None:
            return None
        evaluated = EVALUATION_COST * self.evaluated * self.evaluation_area
        images = self.images * self.area + evaluated
        return images / self.rate.images_per_second / 3600


@dataclass(frozen=True)
class StudyCost:
    """The runs of a study, those among them that give initial weights to others included.

    Attributes:
        runs: how many the study needs if it is run alone.
        hours: device-hours of those, without the runs whose cost is unknown.
        new_runs, new_hours: the same without the runs of the studies before it.
        unknown: whether the cost of some runs is unknown.
    """

    name: str
    runs: int
    hours: float
    new_runs: int
    new_hours: float
    unknown: bool


@dataclass(frozen=True)
class Estimate:
    """What a plan costs; every run counts once in the sums.

    Attributes:
        processor: `gpu` or `cpu`; hours are hours of one of them.
        processes_per_run: so many of them train a run.
        caches: data set to folder and bytes of its cache of resized images; None if unknown.
    """

    recipes: list[RecipeCost]
    studies: list[StudyCost]
    processor: str
    processes_per_run: int
    caches: dict[str, tuple[Path, int | None]]

    @property
    def runs(self) -> int:
        """All runs."""
        return sum(cost.runs for cost in self.recipes)

    @property
    def hours(self) -> float:
        """Device-hours of all runs whose cost is known."""
        return sum(cost.runs * (cost.hours_per_run or 0) for cost in self.recipes)

    @property
    def unknown_runs(self) -> int:
        """Runs whose cost is unknown: if there are any, `hours` is a lower bound."""
        return sum(cost.runs for cost in self.recipes if cost.hours_per_run is None)


def estimate(plan: Plan, rows: list[Throughput]) -> Estimate:
    """What the runs of a plan cost.

    Args:
        rows: see `read_throughputs`.
    """
    processor = "gpu" if plan.settings.device == "cuda" else "cpu"
    groups: dict[str, list[Run]] = {}
    for run in plan.runs:
        groups.setdefault(run.recipe.name, []).append(run)
    costs = {
        name: _recipe_cost(runs, rate_of(runs[0].recipe, processor, rows), plan)
        for name, runs in groups.items()
    }
    return Estimate(
        recipes=list(costs.values()),
        studies=_study_costs(plan, costs),
        processor=processor,
        processes_per_run=plan.settings.processes_per_run,
        caches={
            name: (folder, cache_bytes(name, shorter_side, Path(plan.settings.results)))
            for name, (folder, shorter_side) in plan.caches.items()
        },
    )


def _recipe_cost(runs: list[Run], rate: Rate | None, plan: Plan) -> RecipeCost:
    recipe = runs[0].recipe
    images = evaluated = None
    counts = image_counts(recipe.dataset, Path(plan.settings.results))
    if counts is not None:
        frames = counts["train"] // getattr(recipe, "every", 1)
        images = recipe.epochs * min(frames, recipe.train_images or frames)
        evaluated = evaluated_images(recipe, counts)
    weights, state = weight_count(recipe), state_count(recipe)
    kept = record_bytes(recipe) + BYTES * (weights or 0) * runs[0].gives_weights
    return RecipeCost(
        recipe=recipe,
        runs=len(runs),
        images=images,
        evaluated=evaluated,
        area=mean_area(recipe),
        evaluation_area=evaluation_area(recipe),
        rate=rate,
        kept=None if weights is None and runs[0].gives_weights else kept,
        while_training=None if state is None else CHECKPOINTS * BYTES * state,
    )


def _study_costs(plan: Plan, costs: dict[str, RecipeCost]) -> list[StudyCost]:
    studies: list[StudyCost] = []
    counted: set[str] = set()
    for study in plan.studies:
        own = plan.runs_of(study)
        before = [b for run in own if (b := plan.pretraining_of(run)) is not None]
        recipe_of = {run.id: run.recipe.name for run in (*before, *own)}
        new = recipe_of.keys() - counted
        studies.append(
            StudyCost(
                name=study.name,
                runs=len(recipe_of),
                hours=sum(costs[name].hours_per_run or 0 for name in recipe_of.values()),
                new_runs=len(new),
                new_hours=sum(costs[recipe_of[run]].hours_per_run or 0 for run in new),
                unknown=any(costs[name].hours_per_run is None for name in recipe_of.values()),
            )
        )
        counted |= new
    return studies
