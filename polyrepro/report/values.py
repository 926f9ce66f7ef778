"""Every number and computed word of the report, as one JSON: the text itself holds none."""

from pathlib import Path

from polyrepro.analysis.metrics_table import read_metrics
from polyrepro.analysis.published import PAPER_SCALE, SHORTENED
from polyrepro.analysis.statistics import CONFIDENCE, read_statistics
from polyrepro.figures.names import labels_of, read_claims
from polyrepro.plan import Plan
from polyrepro.report.abstract import abstract
from polyrepro.report.atlas import atlas_values
from polyrepro.report.claim_values import (
    claims_not_run,
    judged_claims,
    outcome_counts,
    run_prices,
    simulation_values,
)
from polyrepro.report.provenance_values import (
    benchmark_values,
    date_of,
    provenance_values,
    tuning_values,
)
from polyrepro.report.published_values import misattributions, published_rows
from polyrepro.report.reference_values import reference_values
from polyrepro.report.study_values import recipe_values, study_values


def report_values(plan: Plan) -> dict:
    """All values of the report; the templates fail on a key that is missing here."""
    # Not at the top: the file belongs to the training, which the report does not depend on.
    from polyrepro.classification.evaluation import ECE_BINS

    results = Path(plan.settings.results)
    metrics = read_metrics(results / "metrics.csv")
    statistics = read_statistics(results / "statistics.csv")
    table = read_claims(results / "claims.csv")
    pairs = statistics.drop_duplicates(["study", "variant"])
    recipes = {(row.study, row.variant): row.recipe for row in pairs.itertuples()}
    claims = judged_claims(table, labels_of(statistics), recipes)
    not_run = claims_not_run(table)
    scale = plan.settings.scale_label
    return {
        "scale": scale,
        "analogue": scale not in (PAPER_SCALE, *SHORTENED),
        "shortened": scale in SHORTENED,
        "date": date_of(plan),
        "confidence": f"{100 * CONFIDENCE:g}",
        "significance": f"{100 * (1 - CONFIDENCE):g}",
        "ece_bins": ECE_BINS,
        "seeds": _seeds(plan),
        "abstract": abstract(claims),
        "recipes": recipe_values(plan),
        "tuning": tuning_values(),
        "studies": {
            study.name: study_values(plan, study, metrics, statistics) for study in plan.studies
        },
        "claims": claims,
        "not_run": not_run,
        "not_run_count": sum(len(entry["claims"]) for entry in not_run),
        "prices": run_prices(plan),
        "outcomes": outcome_counts(claims),
        "losses_figure": str((results / "figures/losses.pdf").resolve()),
        "forest_figure": str((results / "figures/forest.pdf").resolve()),
        "references": reference_values(scale),
        "published": published_rows(),
        "misattributions": misattributions(),
        "simulation": simulation_values(),
        "benchmark": benchmark_values(),
        "provenance": provenance_values(plan),
        "atlas": atlas_values(results),
    }


def _seeds(plan: Plan) -> str:
    """Seeds per variant, as a range where studies differ."""
    settings = plan.settings
    counts = {study.seeds_at(settings.scale, settings.seeds) for study in plan.studies}
    return " to ".join(str(count) for count in sorted({min(counts), max(counts)}))
