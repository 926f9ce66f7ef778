"""Claims that a report cannot judge, with the command that would run them.

A report lists all claims of the paper: those of its own scale that were left out, all of the
paper's own scale unless it is the report's, and those that no study of this package runs.
"""

import math

import pandas as pd

from polyrepro.analysis.contrasts import contrasts_at
from polyrepro.analysis.published import PAPER_SCALE, about_statement, statement_of
from polyrepro.settings import CONFIGURATIONS
from polyrepro.studies import SCALES, STUDIES
from polyrepro.studies.claim import Claim
from polyrepro.studies.study import Study

NO_STUDY = "no study of this package runs this"
NUMBERS = (
    *("measured", "low", "high", "decisive_low", "decisive_high", "margin", "p_value", "p_holm"),
    *("images_low", "images_high", "seeds_for_published", "seeds_for_measured", "seeds_for_margin"),
)


def rows_not_run(evaluated: set[str], scale: str, statements: pd.DataFrame) -> list[dict]:
    """Rows of `claims.csv` with the outcome `not run`.

    Args:
        evaluated: names of the claims that the report judges.
        scale: that of the report, which may end in ", overridden".
    """
    own = scale.split(",")[0]
    rows = []
    for study in STUDIES.values():
        for claim in study.claims:
            at_own_scale = own in study.recipes and contrasts_at(study, claim, own)
            if at_own_scale and claim.name not in evaluated:
                rows.append(_row(study, claim, own, statements))
            if not claim.published or scale == PAPER_SCALE:
                continue
            if PAPER_SCALE in study.recipes:
                rows.append(_row(study, claim, PAPER_SCALE, statements))
            elif own not in study.recipes:
                rows.append(_row(study, claim, next(iter(study.recipes)), statements))
    # A claim of the paper's own scale is listed once, even if the report overrides that scale.
    unique = {(row["claim"], row["scale"]): row for row in rows}
    taken = {claim.published for study in STUDIES.values() for claim in study.claims}
    waiting = statements[(statements["kind"] == "claim") & ~statements.index.isin(taken)]
    return [
        *unique.values(),
        *(_row_without_study(statement) for _, statement in waiting.iterrows()),
    ]


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
        "command": command_for(study.name, scale),
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
        "note": NO_STUDY,
        "command": "",
        **about_statement(statement),
    }


def _nothing_measured(planned: int) -> dict:
    texts = {"contrast": "", "expected": "", "note": ""}
    outcome = dict.fromkeys(("contrast_outcome", "outcome", "verdict"), "not run")
    counts = {"n": 0, "planned": planned, "collapsed": 0}
    return texts | dict.fromkeys(NUMBERS, math.nan) | counts | outcome
