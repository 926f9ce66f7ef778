"""Choosing a variant on validation images, so that test images choose nothing."""

from pathlib import Path

import pandas as pd

from polyrepro.analysis.metrics_table import final_values, record_rows
from polyrepro.files import selection_path, write_json
from polyrepro.plan import Plan, PlanError
from polyrepro.running.records import read_record
from polyrepro.studies.study import Selection, Study

SPLIT = "validation"


def candidates_of(selection: Selection, known: dict[str, Selection]) -> list[str]:
    """All candidates, those of the previous selections included."""
    earlier = candidates_of(known[selection.previous], known) if selection.previous else []
    return [*earlier, *selection.candidates]


def select(metrics: pd.DataFrame, study: Study, selection: Selection) -> pd.Series:
    """Mean of the study's metric on validation images, best first; ties keep the grid's order.

    Candidates that are not run at the scale of the table have no rows there and do not count.
    """
    known = {s.name: s for s in study.selections}
    values = final_values(metrics, study.name, study.metric, SPLIT)
    candidates = [name for name in candidates_of(selection, known) if name in values]
    return values[candidates].mean().sort_values(ascending=False, kind="stable")


def winners(metrics: pd.DataFrame, study: Study) -> dict[str, str]:
    """The winning variant of each selection of a study."""
    return {s.name: str(select(metrics, study, s).index[0]) for s in study.selections}


def write_selection(plan: Plan, name: str) -> None:
    """Choose among finished runs and write the winner's coefficients for the runs that follow.

    The coefficients are filled up with zeros to the length of the longest candidate, so that the
    next coefficient of the search keeps its power of 1 - P_t.

    Raises:
        PlanError: if no chosen study has such a selection.
        RecordError: if a candidate has not been trained.
    """
    if name not in plan.selections:
        raise PlanError(f"unknown selection {name!r}; known are: {', '.join(plan.selections)}")
    study, selection = plan.selections[name]
    results = Path(plan.settings.results)
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
    write_json(
        selection_path(results, name),
        {
            "selection": name,
            "winner": scores.index[0],
            "epsilon": winner + [0.0] * (longest - len(winner)),
            f"validation_{study.metric}": scores.to_dict(),
        },
    )
