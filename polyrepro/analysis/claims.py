"""Verdicts: what the runs say about each statement of the paper.

Five outcomes. `reproduced`: the whole interval lies on the expected side, it contains the
published gain, the gain is verified, and the scale is the paper's. `direction only`: the whole
interval lies on the expected side, no more. `not reproduced`: it lies on the other side.
`inconclusive`: the interval contains the threshold. `not run`: runs are missing.
A claim of several contrasts is as good as its worst contrast.
"""

import math

import pandas as pd

from polyrepro.analysis.metrics_table import final_values
from polyrepro.analysis.published import published_statements
from polyrepro.analysis.selection import winners
from polyrepro.analysis.statistics import Estimate, estimate
from polyrepro.studies import STUDIES
from polyrepro.studies.study import Claim, Contrast, Study

WORST_FIRST = ("not run", "not reproduced", "inconclusive", "direction only", "reproduced")
PAPER_SCALE = "paper"


def evaluate_claims(metrics: pd.DataFrame) -> pd.DataFrame:
    """The table `claims.csv`: one row per contrast of each claim of the studies in the table.

    Columns: `study`, `claim`, `statement`, `quantity`, `contrast` (in words), `expected` (above
    or below the threshold), `measured`, `low`, `high`, `n`, `contrast_outcome`; `outcome` of the
    whole claim and `verdict`, the same in words that name the scale; and of the publication
    `published`, `published_gain`, `published_status`, `published_source`.
    """
    statements = published_statements()
    scale = metrics["scale"].iloc[0]
    rows = []
    for study_name in metrics["study"].unique():
        study = STUDIES[study_name]
        won = winners(metrics, study)
        for claim in study.claims:
            rows += _claim_rows(study, claim, metrics, won, scale, statements)
    return pd.DataFrame(rows)


def _claim_rows(
    study: Study,
    claim: Claim,
    metrics: pd.DataFrame,
    won: dict[str, str],
    scale: str,
    statements: pd.DataFrame,
) -> list[dict]:
    published = statements.loc[claim.published]
    rows = []
    for contrast in claim.contrasts:
        measured = _measure(contrast, study.name, metrics, won)
        rows.append(
            {
                "study": study.name,
                "claim": claim.name,
                "statement": claim.statement,
                "quantity": claim.quantity,
                "contrast": _in_words(contrast, won),
                "expected": f"{'above' if contrast.sign > 0 else 'below'} {contrast.threshold:g}",
                "measured": measured.mean,
                "low": measured.low,
                "high": measured.high,
                "n": measured.n,
                "contrast_outcome": contrast_outcome(contrast, measured, published, scale),
            }
        )
    outcome = min((row["contrast_outcome"] for row in rows), key=WORST_FIRST.index)
    about_the_claim = {
        "outcome": outcome,
        "verdict": verdict(outcome, scale),
        "published": published["statement"],
        "published_gain": published["gain"],
        "published_status": published["status"],
        "published_source": published["source"],
    }
    return [row | about_the_claim for row in rows]


def _measure(
    contrast: Contrast, study: str, metrics: pd.DataFrame, won: dict[str, str]
) -> Estimate:
    """The contrast's estimate over the seeds that all its variants have; n = 0 if none has."""
    if contrast.over == "training":
        values = _share_of_training(metrics, study, contrast.metric, contrast.split)
    else:
        values = final_values(metrics, study, contrast.metric, contrast.split)
    total = 0
    for name, weight in contrast.weights.items():
        variant = won[name.removeprefix("@")] if name.startswith("@") else name
        if variant not in values:
            return Estimate(0, *4 * (math.nan,))
        total = total + weight * values[variant]
    return estimate(total.dropna())


def _share_of_training(metrics: pd.DataFrame, study: str, metric: str, split: str) -> pd.DataFrame:
    """Per seed and variant the share of the recorded times at which the metric is above 0.5."""
    rows = metrics.query("study == @study and metric == @metric and split == @split")
    # A whole epoch's row averages over its parts, which are rows of their own.
    rows = rows[rows["epoch"] % 1 != 0]
    return (
        rows.assign(above=rows["value"] > 0.5)
        .groupby(["seed", "variant"])["above"]
        .mean()
        .unstack("variant")
    )


def contrast_outcome(
    contrast: Contrast, measured: Estimate, published: pd.Series, scale: str
) -> str:
    """One of the five outcomes for one contrast."""
    if measured.n == 0:
        return "not run"
    low, high = sorted(
        contrast.sign * (edge - contrast.threshold) for edge in (measured.low, measured.high)
    )
    if math.isnan(low) or low <= 0 <= high:
        return "inconclusive"
    if high < 0:
        return "not reproduced"
    verified = published["status"] == "verified" and not math.isnan(published["gain"])
    contains = verified and measured.low <= published["gain"] <= measured.high
    return "reproduced" if contains and scale == PAPER_SCALE else "direction only"


def verdict(outcome: str, scale: str) -> str:
    """The outcome in words; away from the paper's scale they speak of an analogue."""
    if scale == PAPER_SCALE:
        return outcome
    return f"{outcome} (on a small analogue, not the paper's data and model)"


def _in_words(contrast: Contrast, won: dict[str, str]) -> str:
    """The contrast with selections replaced by their winners: `top1: poly1_e+2 - cross_entropy`."""
    terms = []
    for name, weight in contrast.weights.items():
        variant = won[name.removeprefix("@")] if name.startswith("@") else name
        factor = "" if abs(weight) == 1 else f"{abs(weight):g} "
        terms.append(f"{'-' if weight < 0 else '+'} {factor}{variant}")
    text = " ".join(terms).removeprefix("+ ")
    return f"{contrast.metric} ({contrast.split}): {text}"
