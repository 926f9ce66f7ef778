"""Verdicts: what the runs say about each statement of the paper.

All claims of a report are judged together (see `outcomes`); those that were not run are listed with
the command that would run them and its price. A claim of several contrasts needs all of them.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from polyrepro.analysis.collapse import collapsed_runs
from polyrepro.analysis.contrasts import (
    Measurement,
    StudyRuns,
    collapsed_count,
    contrasts_at,
    expected,
    measure,
)
from polyrepro.analysis.image_resampling import interval_over_seeds_and_images
from polyrepro.analysis.metrics_checks import ELSEWHERE
from polyrepro.analysis.not_run import rows_not_run, with_commands
from polyrepro.analysis.outcomes import Judgement, contrast_levels, contrast_outcomes, judge
from polyrepro.analysis.power import seeds_for_margin, seeds_needed
from polyrepro.analysis.published import (
    PAPER_SCALE,
    SHORTENED,
    about_statement,
    published_statements,
    statement_of,
)
from polyrepro.analysis.questions import Evidence
from polyrepro.analysis.selection import winners
from polyrepro.analysis.significance import CONFIDENCE
from polyrepro.studies import STUDIES
from polyrepro.studies.claim import Claim
from polyrepro.studies.study import Study


@dataclass(frozen=True)
class Measured:
    """A claim with the measurements of its contrasts and the published statement behind it."""

    study: Study
    claim: Claim
    measurements: tuple[Measurement, ...]
    published: pd.Series | None

    @property
    def gain(self) -> float:
        """The published gain; NaN if there is none."""
        return math.nan if self.published is None else float(self.published["gain"])

    def evidence(self, scale: str) -> Evidence:
        """What the outcome is decided from."""
        verified = self.published is not None and self.published["status"] == "verified"
        return Evidence(
            claim=self.claim,
            contrasts=tuple(m.contrast for m in self.measurements),
            estimates=tuple(m.estimates for m in self.measurements),
            gain=self.gain if verified else math.nan,
            paper_scale=scale == PAPER_SCALE,
        )


def evaluate_claims(
    metrics: pd.DataFrame, results: Path | None = None, scale: str = ""
) -> pd.DataFrame:
    """The table `claims.csv`: one row per contrast of each claim, all claims of all studies.

    Args:
        metrics: the table of one scale.
        results: its results folder, in which the predictions of each run may lie.
        scale: that of the report, if the table has no rows.

    Columns: `study`, `scale`, `claim`, `statement`, `quantity`, `contrast` (in words), `expected`;
    `measured` with its 95 % interval `low`, `high`, and `decisive_low`, `decisive_high`, the
    interval after Holm's correction, from which the outcome is read; `n` seeds of `planned` ones,
    `collapsed` of them with a collapsed run; `margin`; `p_value` and `p_holm` of the claim's
    direction; `images_low`, `images_high`: a 95 % interval over seeds and test images together,
    where predictions were kept; `contrast_outcome`, corrected for the contrasts of the claim;
    `outcome` of the whole claim and `verdict`, the
    same in words that name the scale; `note`: what is missing or odd; `seeds_for_published`,
    `seeds_for_measured`, `seeds_for_margin`: how many seeds would find the published gain, the
    measured difference, or equality, in four of five cases; `command`, for claims that were not
    run, and `price`, what it costs (`875 GPU-hours`; empty where that is unknown); and of the
    publication `published`, `published_gain`, `published_status`,
    `published_source`.
    """
    statements = published_statements()
    scale = metrics["scale"].iloc[0] if len(metrics) else scale
    studies = set(metrics["study"])
    claims = [
        measured
        for name in STUDIES
        if name in studies
        for measured in _measured(STUDIES[name], metrics, scale, statements)
    ]
    judgements = judge([measured.evidence(scale) for measured in claims])
    rows = [
        row
        for measured, judgement in zip(claims, judgements, strict=True)
        for row in _rows(measured, judgement, scale, metrics, results)
    ]
    rows += rows_not_run({measured.claim.name for measured in claims}, scale, statements)
    return pd.DataFrame(with_commands(rows))


def _measured(
    study: Study, metrics: pd.DataFrame, scale: str, statements: pd.DataFrame
) -> list[Measured]:
    metrics = metrics[metrics["study"] == study.name]
    runs = StudyRuns(
        study=study,
        metrics=metrics,
        winners=winners(metrics, study),
        collapsed=collapsed_runs(metrics, study.name),
        seeds=tuple(sorted(int(seed) for seed in metrics["seed"].unique())),
    )
    return [
        Measured(
            study,
            claim,
            tuple(measure(contrast, runs) for contrast in contrasts),
            statement_of(claim, statements),
        )
        for claim in study.claims
        if (contrasts := contrasts_at(study, claim, scale))
    ]


def _rows(
    measured: Measured,
    judgement: Judgement,
    scale: str,
    metrics: pd.DataFrame,
    results: Path | None,
) -> list[dict]:
    claim, outcome = measured.claim, str(judgement.outcome)
    evidence = measured.evidence(scale)
    of_contrasts = zip(
        measured.measurements,
        judgement.levels,
        contrast_levels(evidence, judgement),
        contrast_outcomes(evidence, judgement),
        strict=True,
    )
    runs = metrics[metrics["study"] == measured.study.name].drop_duplicates("run")
    rows = []
    for measurement, level, own_level, own_outcome in of_contrasts:
        contrast, estimates = measurement.contrast, measurement.estimates
        low, high = estimates.interval(CONFIDENCE)
        decisive = estimates.interval(1 - own_level)
        over_images = interval_over_seeds_and_images(measurement, runs, results)
        rows.append(
            {
                "study": measured.study.name,
                "scale": scale,
                "claim": claim.name,
                "statement": claim.statement,
                "quantity": claim.quantity,
                "contrast": measurement.in_words,
                "expected": expected(contrast),
                "measured": float(estimates.mean),
                "low": float(low),
                "high": float(high),
                "decisive_low": float(decisive[0]),
                "decisive_high": float(decisive[1]),
                "n": int(estimates.n),
                "planned": claim.seeds,
                "collapsed": collapsed_count(measurement),
                "margin": math.nan if contrast.margin is None else contrast.margin,
                "p_value": float(judgement.p),
                "p_holm": float(judgement.p_holm),
                "images_low": over_images[0],
                "images_high": over_images[1],
                "contrast_outcome": str(own_outcome),
                "outcome": outcome,
                "verdict": verdict(outcome, scale),
                "note": _note(measured, measurement, judgement),
            }
            | _power(measured, measurement, level)
            | {"command": "", "price": ""}
            | about_statement(measured.published)
        )
    return rows


def _power(measured: Measured, measurement: Measurement, level: float) -> dict[str, float]:
    """How many seeds would decide, with the noise measured here."""
    contrast, estimates = measurement.contrast, measurement.estimates
    sd = float(estimates.sd)
    gain = measured.gain if len(measured.measurements) == 1 else math.nan
    effect, margin = math.nan, contrast.margin or math.nan
    if contrast.kind == "superiority":
        effect = float(estimates.mean) - contrast.threshold
    return {
        "seeds_for_published": seeds_needed(gain, sd, level),
        "seeds_for_measured": seeds_needed(effect, sd, level),
        "seeds_for_margin": math.nan
        if contrast.kind == "at_most"
        else seeds_for_margin(margin, sd, level),
    }


def _note(measured: Measured, measurement: Measurement, judgement: Judgement) -> str:
    """What a reader has to know about a row, in words."""
    estimates, planned = measurement.estimates, measured.claim.seeds
    notes = list(measurement.notes)
    n = int(estimates.n)
    if 0 < n < planned:
        notes.insert(0, f"{n} of {planned} planned seeds")
    if n > 0 and math.isnan(float(estimates.error)):
        notes.append("no interval: too few seeds, or too many collapsed, or no noise at all")
    steps = int(judgement.steps)
    if measured.claim.step_down and steps:
        last = measured.measurements[steps - 1].in_words
        notes.append(f"holds down to {last.partition(': ')[2]}")
    return "; ".join(notes)


def verdict(outcome: str, scale: str) -> str:
    """The outcome in words; away from the paper's scale they speak of an analogue."""
    if scale == PAPER_SCALE or outcome == "not run":
        return outcome
    if scale == ELSEWHERE:
        return f"{outcome} (of records that do not claim the paper's data and model)"
    if scale in SHORTENED:
        return f"{outcome} (in trainings that are shorter than the paper's)"
    return f"{outcome} (on a small analogue, not the paper's data and model)"
