"""The sections of the studies: what was run, what came out, and which figures show it."""

from pathlib import Path

import pandas as pd

from polyrepro.data.manifests import read_manifest
from polyrepro.figures import FIGURES, GENERIC, OWN
from polyrepro.files import data_folder
from polyrepro.plan import Plan
from polyrepro.report.findings import FINDINGS
from polyrepro.report.labels import METRIC_LABELS, signed, with_half_width
from polyrepro.studies.study import Study


def study_values(plan: Plan, study: Study, metrics: pd.DataFrame, statistics: pd.DataFrame) -> dict:
    """Title, recipe, images, figures and the table of all variants of one study."""
    rows = statistics[statistics["study"] == study.name]
    of_test = rows[rows["split"] == "test"]
    shown = of_test[of_test["metric"] == study.metric]
    # Data without masks have no mask metrics.
    metrics_shown = [m for m in (study.metric, *study.also) if m in set(of_test["metric"])]
    labels = dict(zip(shown["variant"], shown["label"], strict=True))
    # The sentences name variants, all of which a study with missing runs may lack.
    finding = FINDINGS.get(study.name) if plan.is_whole(study) else None
    return {
        "title": study.title,
        "question": study.question,
        "recipe": plan.recipe_of(study).name,
        "variants": len(shown),
        "seeds": " to ".join(str(n) for n in sorted({shown["n"].min(), shown["n"].max()})),
        "collapsed": int(shown["collapsed"].sum()),
        "metrics": [METRIC_LABELS.get(metric, metric) for metric in metrics_shown],
        "reference": labels.get(study.reference, study.reference),
        "figures": {
            name: f"figures/{name}.pdf"
            for name, needed in FIGURES.items()
            if needed == study.name and name in OWN
        },
        "overview": f"figures/{study.name}_{GENERIC}.pdf",
        "rows": [
            {
                "label": labels[row["variant"]],
                "selected": bool(row["selected"]),
                "n": row["n"],
                "records": f"runs/{row['recipe']}/{row['variant']}/",
                "cells": _cells(of_test[of_test["variant"] == row["variant"]], metrics_shown),
            }
            for row in shown.to_dict("records")
        ],
        "finding": finding(rows, metrics[metrics["study"] == study.name]) if finding else "",
    }


def _cells(rows: pd.DataFrame, metrics: list[str]) -> list[dict[str, str]]:
    """A variant's value and difference to the reference, metric by metric."""
    by_metric = rows.set_index("metric")
    cells = []
    for row in (by_metric.loc[metric] for metric in metrics):
        ends = row["difference"], row["difference_high"]
        cells.append(
            {
                "value": with_half_width(row["mean"], row["high"], 2),
                "difference": with_half_width(*ends, 2, shown=signed),
            }
        )
    return cells


def recipe_values(plan: Plan) -> list[dict]:
    """Every recipe that was trained, with its settings and the number of images it used.

    If no run has finished, the recipes are those that are planned, and no data were counted.
    """
    recipes = {recipe.name: recipe for recipe in map(plan.recipe_of, plan.described)}
    if not plan.runs:
        return [recipe.model_dump(mode="json") | {"images": {}} for recipe in recipes.values()]
    entries = []
    for recipe in recipes.values():
        manifest = read_manifest(data_folder(Path(plan.settings.results), recipe.dataset))
        images = {name: split["images"] for name, split in manifest["splits"].items()}
        images["train"] = min(images["train"], recipe.train_images or images["train"])
        entries.append(recipe.model_dump(mode="json") | {"images": images})
    return entries
