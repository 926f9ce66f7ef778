"""Every number and computed word of the report, as one JSON: the text itself holds none."""

import re
from pathlib import Path

import pandas as pd

from polyrepro.analysis.claims import evaluate_claims
from polyrepro.analysis.metrics_table import read_metrics, records_of, tidy_table
from polyrepro.analysis.published import PAPER_SCALE, SHORTENED
from polyrepro.analysis.recomputed import refuse_other_cells
from polyrepro.analysis.reference_folders import reference_folders
from polyrepro.analysis.references import read_sources
from polyrepro.analysis.significance import CONFIDENCE_PERCENT, SIGNIFICANCE
from polyrepro.analysis.statistics import summarise
from polyrepro.figures.names import labels_of
from polyrepro.plan import Plan
from polyrepro.report.abstract import abstract
from polyrepro.report.atlas import atlas_values
from polyrepro.report.caption_numbers import caption_numbers
from polyrepro.report.captions import captions
from polyrepro.report.claim_values import (
    claims_not_run,
    judged_claims,
    outcome_counts,
    run_prices,
    simulation_values,
)
from polyrepro.report.method_values import method_values
from polyrepro.report.provenance_values import (
    benchmark_values,
    date_of,
    provenance_values,
    training_minutes,
    tuning_values,
)
from polyrepro.report.published_values import (
    gains_and_noise,
    misattributions,
    published_rows,
    verified_counts,
)
from polyrepro.report.source_values import (
    claims_elsewhere,
    figures_elsewhere,
    sources_values,
    studies_elsewhere,
    verdicts_elsewhere,
)
from polyrepro.report.study_values import recipe_values, study_values
from polyrepro.studies import STUDIES

SECTIONS = Path(__file__).parents[2] / "report" / "sections"
"""A study has prose of its own where there is a file of its name."""

PAGE = re.compile(rb"/Type /Page\b(?!s)")
"""A page in a PDF of matplotlib's."""


def report_values(plan: Plan) -> dict:
    """All values of the report; the templates fail on a key that is missing here."""
    results = Path(plan.settings.results)
    metrics = read_metrics(results / "metrics.csv", may_be_empty=not plan.runs)
    records = records_of(plan)
    scale = plan.settings.scale_label
    references = reference_folders(results, scale, plan.settings.references)
    sources = read_sources(results, references)
    _refuse_changed_tables(plan, metrics, records)
    statistics, table = sources[0].statistics, sources[0].claims
    pairs = statistics.drop_duplicates(["study", "variant"])
    recipes = {(row.study, row.variant): row.recipe for row in pairs.itertuples()}
    claims = judged_claims(table, labels_of(statistics), recipes)
    not_run = claims_not_run(table)
    names = [study.name for study in plan.studies]
    provenance = provenance_values(plan, records)
    return {
        "scale": scale,
        "analogue": scale not in (PAPER_SCALE, *SHORTENED),
        "shortened": scale in SHORTENED,
        "date": date_of(plan),
        "confidence": CONFIDENCE_PERCENT,
        "significance": f"{100 * SIGNIFICANCE:g}",
        "numbers": caption_numbers(),
        "seeds": _seeds(plan, statistics),
        "abstract": abstract(claims),
        "recipes": recipe_values(plan),
        "methods": method_values(plan),
        "tuning": tuning_values(),
        "studies": {
            study.name: study_values(plan, study, metrics, statistics)
            | {
                "figures_elsewhere": figures_elsewhere(study.name, sources),
                "minutes": training_minutes(records[run.id] for run in plan.runs_of(study)),
            }
            for study in plan.studies
        },
        "studies_elsewhere": studies_elsewhere(names, sources),
        "written": sorted(path.stem for path in SECTIONS.glob("*.typ") if path.stem in STUDIES),
        "claims": claims,
        "claims_elsewhere": claims_elsewhere(sources),
        "verdicts_elsewhere": verdicts_elsewhere(sources),
        "sources": sources_values(sources, provenance["hardware"]),
        "not_run": not_run,
        "not_run_count": sum(len(entry["claims"]) for entry in not_run),
        "prices": run_prices(plan),
        "outcomes": outcome_counts(claims),
        "captions": captions(),
        "losses_figure": "figures/losses.pdf",
        "forest_figure": "figures/forest.pdf",
        "forest_pages": _pages(results / "figures/forest.pdf"),
        "published": published_rows(),
        "misattributions": misattributions(),
        "published_counts": verified_counts(),
        "accuracy": gains_and_noise(),
        "simulation": simulation_values(),
        "benchmark": benchmark_values(),
        "provenance": provenance,
        "atlas": atlas_values(results),
    }


def _refuse_changed_tables(plan: Plan, metrics: pd.DataFrame, records: dict[str, dict]) -> None:
    """Each table must be what it was made from; claims but for the bootstrap, which takes long.

    Raises:
        MetricsError: naming file, row and column.
    """
    results = Path(plan.settings.results)
    refuse_other_cells(
        results / "metrics.csv", tidy_table(plan, records), "the records of the runs"
    )
    rows = "the rows of metrics.csv"
    refuse_other_cells(results / "statistics.csv", summarise(metrics), rows)
    bootstrapped = ("images_low", "images_high")
    claims = evaluate_claims(metrics, scale=plan.settings.scale_label)
    refuse_other_cells(results / "claims.csv", claims, rows, without=bootstrapped)


def _pages(figure: Path) -> int:
    """Number of pages of a figure; 1 if it is missing, which the typesetting says by its name."""
    return len(PAGE.findall(figure.read_bytes())) if figure.exists() else 1


def _seeds(plan: Plan, statistics: pd.DataFrame) -> str:
    """Seeds per variant that were run, as a range where variants differ."""
    if not plan.runs:
        return "0"
    metrics = {study.name: study.metric for study in plan.studies}
    of_metric = statistics["metric"] == statistics["study"].map(metrics)
    counts = statistics.loc[of_metric & (statistics["split"] == "test"), "n"]
    return " to ".join(str(count) for count in sorted({counts.min(), counts.max()}))
