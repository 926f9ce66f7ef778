"""From settings to runs, and from runs to jobs."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from polyrepro.errors import PolyreproError
from polyrepro.files import run_link
from polyrepro.recipes import RECIPES, AnyRecipe, ClassificationRecipe
from polyrepro.running.records import has_predictions, unchecked_record
from polyrepro.runs import Run
from polyrepro.settings import Overrides, Settings
from polyrepro.studies import STUDIES
from polyrepro.studies.study import Selection, Study


class PlanError(PolyreproError):
    """A run or selection that no study has, or settings that do not fit the recipes."""


@dataclass(frozen=True)
class Batch:
    """Runs that share a process: one Snakemake job.

    Attributes:
        after: the selection that must be known before the runs can start, if any.
        pretraining: ids of the runs whose weights these runs start from.
    """

    name: str
    runs: tuple[Run, ...]
    after: str | None
    pretraining: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All runs of a configuration, and the jobs that train them."""

    settings: Settings

    @cached_property
    def studies(self) -> list[Study]:
        """The chosen studies, in the order of the report.

        Of finished runs only, those in which the reference has any: without it there is nothing to
        compare the others with. There may be none.
        """
        return [
            study
            for study in self._chosen
            if study.reference in {run.variant.name for run in self.runs_of(study)}
        ]

    @property
    def described(self) -> list[Study]:
        """The studies whose methods a report describes: all chosen ones if none has been run."""
        return self.studies or self._chosen

    @property
    def _chosen(self) -> list[Study]:
        return [STUDIES[name] for name in self.settings.studies]

    def recipe_of(self, study: Study) -> AnyRecipe:
        """The recipe of a study at this scale, with the overrides applied."""
        return overridden(RECIPES[study.recipes[self.settings.scale]], self.settings.overrides)

    def runs_of(self, study: Study) -> list[Run]:
        """All runs of a study; runs shared with other studies have the same id there."""
        return [run for run in self._wanted(study) if run.id not in self.missing]

    def is_whole(self, study: Study) -> bool:
        """Whether `finished_only` leaves out no run of a study."""
        return not any(run.id in self.missing for run in self._wanted(study))

    @cached_property
    def missing(self) -> dict[str, Run]:
        """What `finished_only` leaves out, by id: runs without a record, and what needs them."""
        if not self.settings.finished_only:
            return {}
        wanted = {run.id: run for study in self._chosen for run in self._wanted(study)}
        found = {i: run for i, run in wanted.items() if not self._complete(run)}
        while later := {
            i: run for i, run in wanted.items() if i not in found and self._waits_for(run, found)
        }:
            found |= later
        return found

    def _complete(self, run: Run) -> bool:
        """Whether a run has a record, and the one that its weights come from, too."""
        results = Path(self.settings.results)
        for needed in filter(None, (run, self.pretraining_of(run))):
            record = unchecked_record(results, needed)
            if record is None or not has_predictions(run_link(results, needed.id), record):
                return False
        return True

    def _waits_for(self, run: Run, others: dict[str, Run]) -> bool:
        """Whether a run follows a selection that some of these runs are candidates of."""
        for name in self.settings.studies:
            for selection in STUDIES[name].selections:
                if selection.name == run.variant.after:
                    recipe = self.recipe_of(STUDIES[name]).name
                    return any(
                        other.recipe.name == recipe and other.variant.name in selection.candidates
                        for other in others.values()
                    )
        return False

    def _wanted(self, study: Study) -> list[Run]:
        recipe = self.recipe_of(study)
        return [
            Run(recipe=recipe, variant=variant, seed=seed)
            for variant in study.variants_at(self.settings.scale)
            for seed in range(study.seeds_at(self.settings.scale, self.settings.seeds))
        ]

    @cached_property
    def runs(self) -> list[Run]:
        """Every run once; those that only give initial weights to others come first."""
        of_studies = [run for study in self.studies for run in self.runs_of(study)]
        before = [b for run in of_studies if (b := self.pretraining_of(run)) is not None]
        return list({run.id: run for run in (*before, *of_studies)}.values())

    def pretraining_of(self, run: Run) -> Run | None:
        """The run whose weights a run starts from; None if the configuration gives weights."""
        if run.recipe.pretraining in self.settings.weights:
            return None
        return pretraining_run(run, self.settings.overrides)

    @cached_property
    def batches(self) -> dict[str, Batch]:
        """The jobs by name. Runs that wait for different selections are never in one job."""
        groups: dict[tuple[str, str | None], list[Run]] = {}
        for run in self.runs:
            groups.setdefault((run.recipe.name, run.variant.after), []).append(run)
        batches = {}
        for (recipe, after), runs in groups.items():
            # Detectors train several times as long as classifiers, and no core should wait for the
            # last job.
            size = self.settings.runs_per_job
            size = size if runs[0].recipe.kind == "classification" else math.ceil(size / 2)
            count = math.ceil(len(runs) / size)
            for number in range(count):
                name = "-".join([recipe, *([f"after_{after}"] if after else []), f"{number:02d}"])
                edges = [len(runs) * part // count for part in (number, number + 1)]
                chosen = tuple(runs[slice(*edges)])
                if len(chosen) == 1:  # from the id of a run to its log in one step
                    name = chosen[0].id.replace("/", "-")
                before = [b.id for run in chosen if (b := self.pretraining_of(run)) is not None]
                batches[name] = Batch(name, chosen, after, tuple(before))
        return batches

    @cached_property
    def _batch_of_run(self) -> dict[str, str]:
        return {run.id: batch.name for batch in self.batches.values() for run in batch.runs}

    def batch_of(self, run_id: str) -> str:
        """Name of the job that trains a run."""
        return self._batch_of_run[run_id]

    def batches_before(self, batch: Batch) -> list[str]:
        """Names of the jobs whose weights a job starts from."""
        return sorted({self._batch_of_run[run_id] for run_id in batch.pretraining})

    def batches_of(self, study: Study) -> list[str]:
        """Names of the jobs that train the runs of a study."""
        return sorted({self._batch_of_run[run.id] for run in self.runs_of(study)})

    @cached_property
    def caches(self) -> dict[str, tuple[Path, int]]:
        """Data set to folder and shorter side, of those that are read from a cache.

        Raises:
            PlanError: if a recipe would have to enlarge the images of one.
        """
        return caches_of(self.runs, self.settings)

    @cached_property
    def selections(self) -> dict[str, tuple[Study, Selection]]:
        """Selections by name, with the study they belong to."""
        return {
            selection.name: (study, selection)
            for study in self.studies
            for selection in study.selections
        }

    @property
    def waited_for(self) -> list[str]:
        """Names of the selections that jobs wait for; the others are made within the tables."""
        return sorted({b.after for b in self.batches.values() if b.after is not None})

    def batches_for(self, selection_name: str) -> list[str]:
        """Names of the jobs that train the candidates of a selection."""
        study, selection = self.selections[selection_name]
        ids = [r.id for r in self.runs_of(study) if r.variant.name in selection.candidates]
        return sorted({self._batch_of_run[run_id] for run_id in ids})


def overridden(recipe: AnyRecipe, overrides: Overrides) -> AnyRecipe:
    """The recipe with the values that the configuration replaces, as far as it has them.

    Raises:
        PlanError: if a value does not fit the recipe's others.
    """
    given = overrides.model_dump(exclude_none=True)
    known = set(type(recipe).model_fields)
    if recipe.kind != "classification":
        known.remove("dataset")  # images without boxes are none to a detector
    given = {name: value for name, value in given.items() if name in known}
    try:
        return type(recipe).model_validate(recipe.model_dump() | given)
    except ValidationError as error:
        raise PlanError(
            f"overrides: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        ) from None


def caches_of(runs: Iterable[Run], settings: Settings) -> dict[str, tuple[Path, int]]:
    """The caches that runs read from; see `Plan.caches`."""
    found = {}
    for recipe in {run.recipe.name: run.recipe for run in runs}.values():
        cache = settings.cache.get(recipe.dataset)
        if cache is None or not isinstance(recipe, ClassificationRecipe):
            continue
        if cache.shorter_side < recipe.shorter_side:
            raise PlanError(
                f"cache: {recipe.dataset} would be cached with shorter sides of "
                f"{cache.shorter_side} pixels, but {recipe.name} needs {recipe.shorter_side}; "
                f"give cache: {{{recipe.dataset}: {{shorter_side: {recipe.shorter_side}}}}}, or "
                "leave the data set out of `cache`"
            )
        found[recipe.dataset] = (Path(cache.folder), cache.shorter_side)
    return found


def pretraining_run(run: Run, overrides: Overrides) -> Run | None:
    """The run of the same loss and seed that gives the initial weights, if the recipe has one."""
    if run.recipe.pretraining is None:
        return None
    recipe = overridden(RECIPES[run.recipe.pretraining], overrides)
    return Run(recipe=recipe, variant=run.variant, seed=run.seed)


def parse_run_id(text: str, overrides: Overrides) -> Run:
    """The run with this id.

    Raises:
        PlanError: if there is no such recipe or variant.
    """
    parts = re.fullmatch(r"([^/]+)/([^/]+)/seed(\d+)", text)
    recipe = RECIPES.get(parts[1]) if parts else None
    known = {variant.name: variant for study in STUDIES.values() for variant in study.variants}
    variant = known.get(parts[2]) if parts else None
    if parts is None or recipe is None or variant is None:
        raise PlanError(
            f"no study has a run {text!r}; a run id is recipe/variant/seedN, for example "
            "kanji/poly1_e+2/seed0"
        )
    return Run(recipe=overridden(recipe, overrides), variant=variant, seed=int(parts[3]))
