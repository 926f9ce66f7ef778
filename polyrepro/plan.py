"""From settings to runs, and from runs to jobs."""

from dataclasses import dataclass
from functools import cached_property

from polyrepro.classification.recipes import RECIPES, Recipe
from polyrepro.classification.runs import Run
from polyrepro.errors import PolyreproError
from polyrepro.settings import Overrides, Settings
from polyrepro.studies import STUDIES
from polyrepro.studies.study import Selection, Study


class PlanError(PolyreproError):
    """A run or selection that no study has."""


@dataclass(frozen=True)
class Batch:
    """Runs that share a process: one Snakemake job.

    Attributes:
        after: the selection that must be known before the runs can start, if any.
    """

    name: str
    runs: tuple[Run, ...]
    after: str | None


@dataclass(frozen=True)
class Plan:
    """Everything a configuration asks for."""

    settings: Settings

    @cached_property
    def studies(self) -> list[Study]:
        """The chosen studies, in the order of the report."""
        return [STUDIES[name] for name in self.settings.studies]

    def recipe_of(self, study: Study) -> Recipe:
        """The recipe of a study at this scale, with the overrides applied."""
        return overridden(RECIPES[study.recipes[self.settings.scale]], self.settings.overrides)

    def runs_of(self, study: Study) -> list[Run]:
        """All runs of a study; runs shared with other studies have the same id there."""
        recipe = self.recipe_of(study)
        return [
            Run(recipe=recipe, variant=variant, seed=seed)
            for variant in study.variants
            for seed in range(self.settings.seeds)
        ]

    @cached_property
    def runs(self) -> list[Run]:
        """Every run once."""
        return list({run.id: run for study in self.studies for run in self.runs_of(study)}.values())

    @cached_property
    def batches(self) -> dict[str, Batch]:
        """The jobs by name. Runs that wait for different selections are never in one job."""
        groups: dict[tuple[str, str | None], list[Run]] = {}
        for run in self.runs:
            groups.setdefault((run.recipe.name, run.variant.after), []).append(run)
        batches, size = {}, self.settings.runs_per_job
        for (recipe, after), runs in groups.items():
            for number, start in enumerate(range(0, len(runs), size)):
                name = "-".join([recipe, *([f"after_{after}"] if after else []), f"{number:02d}"])
                batches[name] = Batch(name, tuple(runs[start : start + size]), after)
        return batches

    @cached_property
    def selections(self) -> dict[str, tuple[Study, Selection]]:
        """Selections by name, with the study they belong to."""
        return {
            selection.name: (study, selection)
            for study in self.studies
            for selection in study.selections
        }

    def batches_for(self, selection_name: str) -> list[str]:
        """Names of the jobs that train the candidates of a selection."""
        study, selection = self.selections[selection_name]
        ids = {r.id for r in self.runs_of(study) if r.variant.name in selection.candidates}
        return [b.name for b in self.batches.values() if ids & {run.id for run in b.runs}]


def overridden(recipe: Recipe, overrides: Overrides) -> Recipe:
    """The recipe with the values that the configuration replaces."""
    return recipe.model_copy(update=overrides.model_dump(exclude_none=True))


def parse_run_id(text: str, overrides: Overrides) -> Run:
    """The run with this id.

    Raises:
        PlanError: if no study has such a run.
    """
    try:
        recipe_name, variant_name, seed = text.split("/")
        recipe, number = RECIPES[recipe_name], int(seed.removeprefix("seed"))
        variant = next(
            variant
            for study in STUDIES.values()
            if recipe_name in study.recipes.values()
            for variant in study.variants
            if variant.name == variant_name
        )
    except (ValueError, KeyError, StopIteration):
        raise PlanError(
            f"no study has a run {text!r}; a run id is recipe/variant/seedN, for example "
            "fashion_mnist/poly1_e+2/seed0"
        ) from None
    return Run(recipe=overridden(recipe, overrides), variant=variant, seed=number)
