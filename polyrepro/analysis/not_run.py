"""Claims that a report cannot judge, with the command that would run them, and its price.

A report lists all claims of the paper: those of its own scale that were left out, all of the
paper's own scale unless it is the report's, and those that no study of this package runs.
"""

import math

import pandas as pd

from polyrepro.analysis.contrasts import contrasts_at
from polyrepro.analysis.published import PAPER_SCALE, about_statement, statement_of
from polyrepro.estimate import study_prices
from polyrepro.settings import CONFIGURATIONS
from polyrepro.studies import SCALES, STUDIES
from polyrepro.studies.claim import Claim
from polyrepro.studies.study import Study

NO_STUDY = "no study of this package runs this"
REASONS = {
    "RSN": "RSN has no public implementation to validate one against; the study range_segmentation "
    "tries its first stage on drawn scenes"
}
"""Model to why; in the statements that name it."""
NUMBERS = (
    *("measured", "low", "high", "decisive_low", "decisive_high", "margin", "p_value", "p_holm"),
    *("images_low", "images_high", "seeds_for_published", "seeds_for_measured", "seeds_for_margin"),
)


def rows_not_run(evaluated: set[str], scale: str, statements: pd.DataFrame) -> list[dict]:
    """Rows of `claims.csv` with the outcome `not run`, still without commands.

    Args:
        evaluated: names of the claims that the report judges.
        scale: that of the report, which may end in ", overridden".
    """
    rows = [
        _row(study, claim, at, statements)
        for study in STUDIES.values()
        for claim in study.claims
        for at in _scales_not_run(study, claim, scale, claim.name in evaluated)
    ]
    taken = {claim.published for study in STUDIES.values() for claim in study.claims}
    waiting = statements[(statements["kind"] == "claim") & ~statements.index.isin(taken)]
    return [*rows, *(_row_without_study(statement) for _, statement in waiting.iterrows())]


def _scales_not_run(study: Study, claim: Claim, scale: str, evaluated: bool) -> list[str]:
    """The scales at which a report lists a claim as not run.

    They are those of the report and of the paper, as far as the claim can be decided there; another
    one only for claims of the paper that would not be listed at all.
    """
    own = scale.split(",")[0]
    decidable = [at for at in study.recipes if contrasts_at(study, claim, at)]
    listed = [own] if own in decidable and not evaluated else []
    if claim.published and PAPER_SCALE in decidable and PAPER_SCALE not in (scale, *listed):
        listed.append(PAPER_SCALE)
    if claim.published and not evaluated and not listed:
        listed = decidable[:1]
    return listed


def with_commands(rows: list[dict]) -> list[dict]:
    """The rows of `claims.csv`, with command and price of those that were not run.

    They are those of the scale without its overrides; records made elsewhere have none.
    """
    prices: dict[str, dict[str, str]] = {}
    completed = []
    for row in rows:
        study, scale = row["study"], row["scale"].split(",")[0]
        if row["outcome"] == "not run" and study and scale in STUDIES[study].recipes:
            if scale not in prices:
                prices[scale] = study_prices(scale)
            row = row | {"command": command_for(study, scale), "price": prices[scale][study]}
        completed.append(row)
    return completed


def command_for(study: str, scale: str) -> str:
    """The command that runs a study at a scale."""
    if scale == SCALES[0]:
        return f"snakemake --cores 2 --config studies={study}"
    file = f"config/{CONFIGURATIONS[scale].name}"
    return f"snakemake --configfile {file} --config studies={study}"


def _row(study: Study, claim: Claim, scale: str, statements: pd.DataFrame) -> dict:
    about = {"claim": claim.name, "statement": claim.statement, "quantity": claim.quantity}
    return {
        "study": study.name,
        "scale": scale,
        **about,
        **_nothing_measured(claim.seeds),
        **about_statement(statement_of(claim, statements)),
    }


def _row_without_study(statement: pd.Series) -> dict:
    return {
        "study": "",
        "scale": PAPER_SCALE,
        "claim": statement.name,
        "statement": statement["statement"],
        "quantity": "",
        **_nothing_measured(0),
        "note": "; ".join([NO_STUDY, *_reasons(statement["statement"])]),
        **about_statement(statement),
    }


def _reasons(statement: str) -> list[str]:
    return [reason for model, reason in REASONS.items() if model in statement]


def _nothing_measured(planned: int) -> dict:
    texts = {"contrast": "", "expected": "", "note": "", "command": "", "price": ""}
    outcome = dict.fromkeys(("contrast_outcome", "outcome", "verdict"), "not run")
    counts = {"n": 0, "planned": planned, "collapsed": 0}
    return texts | dict.fromkeys(NUMBERS, math.nan) | counts | outcome
