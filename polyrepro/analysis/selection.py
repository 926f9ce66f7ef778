"""Choosing a variant on validation images and on seeds that test nothing.

The runs that win a selection are partly lucky ones, and their luck is in the test images, too. So
the first seeds choose, on validation images, and only the others test the winner, on test images.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from polyrepro.analysis.metrics_table import final_values, record_rows
from polyrepro.files import selection_path, write_json
from polyrepro.options import command
from polyrepro.plan import Plan, PlanError
from polyrepro.running.records import read_record
from polyrepro.running.selections import SelectionError, read_selection
from polyrepro.studies.study import Selection, Study

SPLIT = "validation"


def choosing_seeds(study: Study, seeds: Iterable[int]) -> list[int]:
    """The seeds that choose: the first `selection_seeds`, or the first half, but at least one.

    Args:
        seeds: those of which there are runs, or those that are planned.
    """
    seeds = sorted(set(seeds))
    count = study.selection_seeds or max(1, len(seeds) // 2)
    return seeds[:count]


def fresh_seeds(study: Study, seeds: Iterable[int]) -> list[int]:
    """The seeds that test what the others chose; none if there is a single seed."""
    seeds = sorted(set(seeds))
    return seeds[len(choosing_seeds(study, seeds)) :]


def candidates_of(selection: Selection, known: dict[str, Selection]) -> list[str]:
    """All candidates, those of the previous selections included."""
    earlier = candidates_of(known[selection.previous], known) if selection.previous else []
    return [*earlier, *selection.candidates]


def select(metrics: pd.DataFrame, study: Study, selection: Selection) -> pd.Series:
    """Mean of the study's metric on validation images over the choosing seeds, best first.

    Ties keep the grid's order. Candidates that are not run at the scale of the table have no rows
    there and do not count.
    """
    known = {s.name: s for s in study.selections}
    values = final_values(metrics, study.name, study.metric, SPLIT)
    candidates = [name for name in candidates_of(selection, known) if name in values]
    seeds = choosing_seeds(study, metrics.loc[metrics["study"] == study.name, "seed"])
    # Only seeds that all candidates have compare like with like.
    scores = values.reindex(index=seeds, columns=candidates).dropna().mean()
    return scores.dropna().sort_values(ascending=False, kind="stable")


def winners(metrics: pd.DataFrame, study: Study) -> dict[str, str]:
    """The winning variant of each selection of a study that has candidates in the table."""
    scores = {s.name: select(metrics, study, s) for s in study.selections}
    return {name: str(of.index[0]) for name, of in scores.items() if len(of)}


def write_selection(plan: Plan, name: str) -> None:
    """Choose among finished runs and write the winner's coefficients for the runs that follow.

    Raises:
        PlanError: if no chosen study has such a selection.
        RecordError: if a candidate has not been trained.
    """
    write_json(selection_path(Path(plan.settings.results), name), choose(plan, name))


def check_selections(plan: Plan) -> None:
    """Compare the written selections, on which later runs were built, with the records.

    Raises:
        SelectionError: if one was changed by hand, or its records have changed since.
    """
    for name in plan.waited_for:
        path = selection_path(Path(plan.settings.results), name)
        written, chosen = read_selection(path), choose(plan, name)
        if written != chosen:
            raise SelectionError(
                f"{path} does not follow from the records: it names {written['winner']} with "
                f"{written['epsilon']}, the records choose {chosen['winner']} with "
                f"{chosen['epsilon']}; make it again: {command(plan.settings, 'select', name)}"
            )


def choose(plan: Plan, name: str) -> dict:
    """The content of a selection's file, from the records.

    The coefficients are filled up with zeros to the length of the longest candidate, so that the
    next coefficient of the search keeps its power of 1 - P_t.

    Raises:
        PlanError: if no chosen study has such a selection.
        RecordError: if a candidate has not been trained.
    """
    if name not in plan.selections:
        raise PlanError(f"unknown selection {name!r}; known are: {', '.join(plan.selections)}")
    study, selection = plan.selections[name]
    candidates = candidates_of(selection, {s.name: s for s in study.selections})
    runs = [run for run in plan.runs_of(study) if run.variant.name in candidates]
    records = [read_record(plan.settings, run) for run in runs]
    rows = pd.DataFrame({"study": study.name} | row for r in records for row in record_rows(r))
    scores = select(rows, study, selection)
    epsilons = {
        record["variant"]["name"]: list(record["loss"]["arguments"].get("epsilon", ()))
        for record in records
    }
    longest = max(len(epsilon) for epsilon in epsilons.values())
    winner = epsilons[scores.index[0]]
    return {
        "selection": name,
        "winner": scores.index[0],
        "epsilon": winner + [0.0] * (longest - len(winner)),
        f"validation_{study.metric}": scores.to_dict(),
    }
