"""What the evidence on a claim amounts to: seven outcomes, each defined here and nowhere else.

They are read from p values of the questions that a claim poses (see `questions`). Holm's procedure
corrects these over all questions of a report, so that the probability of any false answer is at
most 5 %. Everything here takes arrays with one element per report, so that simulated reports are
judged by the same code as real ones.
"""

from dataclasses import dataclass

import numpy as np

from polyrepro.analysis.inference import holm
from polyrepro.analysis.questions import CONTRASTS, Evidence, questions, sides
from polyrepro.analysis.significance import CONFIDENCE, SIGNIFICANCE

OUTCOMES = {
    "reproduced": "The effect has the expected direction, the plain interval contains the "
    "published gain, which is verified, and data and model are the paper's.",
    "direction only": "The effect has the expected direction, but its size confirms nothing: no "
    "verified gain was published, or the interval does not contain it, or data and model are not "
    "the paper's.",
    "equivalent within a margin": "The whole interval lies within the margin that the study states "
    "beforehand: any difference is smaller than that. For a claim that something is equal or "
    "unchanged this confirms it; for a claimed gain it says that there is none worth the name.",
    "published gain excluded": "The direction is not decided, but the whole interval lies below "
    "the published gain, which is verified: the effect here is smaller.",
    "not reproduced": "The effect has the opposite direction, or, where equality is claimed, lies "
    "beyond the margin.",
    "inconclusive": "The interval allows several of the above; more seeds would decide.",
    "not run": "There are no runs, or not of all variants that the claim compares.",
}
"""Outcome to its definition, best first. "Interval" is the one corrected for all claims."""

EQUIVALENT = "equivalent within a margin"
CONFIRMED = ("reproduced", "direction only", EQUIVALENT)
"""Outcomes that say that all contrasts of a claim hold, or that none of them has an effect."""


@dataclass(frozen=True)
class Judgement:
    """The verdict on a claim; arrays with one element per report.

    Attributes:
        outcome: a key of `OUTCOMES`.
        p: of the question of direction, two-sided, not corrected.
        p_holm: the same after Holm's correction over the report.
        levels: (..., contrasts) significance level at which Holm's procedure compared each
            contrast: that of its step where the claim steps down, else that of the direction. The
            interval of coverage 1 - level decides. NaN where the claim has not been measured.
        apart: the level that the contrasts share for what is said of each on its own.
        steps: of a claim that steps down, how many contrasts hold in a row.
    """

    outcome: np.ndarray
    p: np.ndarray
    p_holm: np.ndarray
    levels: np.ndarray
    apart: np.ndarray
    steps: np.ndarray


def judge(report: list[Evidence]) -> list[Judgement]:
    """Judge all claims of a report together.

    Args:
        report: one element per claim; the arrays in it have one element per report.
    """
    answered = [questions(evidence) for evidence in report]
    if not answered:
        return []
    family = np.stack([p for answers in answered for p in answers.values()], axis=-1)
    corrected, levels = holm(family)
    judgements, start = [], 0
    for evidence, answers in zip(report, answered, strict=True):
        part = slice(start, start + len(answers))
        start += len(answers)
        names, count = list(answers), len(evidence.contrasts)
        compared = range(count) if evidence.claim.step_down else [0] * count
        apart = names.index(CONTRASTS) if CONTRASTS in names else 0
        p_holm = {name: corrected[..., part][..., i] for i, name in enumerate(names)}
        judgements.append(
            Judgement(
                outcome=outcome_at(evidence, p_holm, SIGNIFICANCE),
                p=answers["direction"],
                p_holm=p_holm["direction"],
                levels=levels[..., part][..., compared],
                apart=levels[..., part][..., apart],
                steps=_steps(evidence, p_holm),
            )
        )
    return judgements


def contrast_levels(evidence: Evidence, judgement: Judgement) -> np.ndarray:
    """(..., contrasts) the level at which each contrast is read on its own.

    Where a claim of k contrasts has been confirmed, each of them holds at the claim's level;
    otherwise each is one of k that might be called something by chance, and has the k-th part of
    the level that they share.
    """
    count = len(evidence.contrasts)
    if count == 1 or evidence.claim.step_down:
        return judgement.levels
    confirmed = np.isin(judgement.outcome, CONFIRMED)[..., None]
    return np.where(confirmed, judgement.levels, judgement.apart[..., None] / count)


def contrast_outcomes(evidence: Evidence, judgement: Judgement) -> list[np.ndarray]:
    """The outcome of each contrast on its own, read from the interval that decides.

    "Not run" where the claim has not been judged. The contrasts of a claim that has been confirmed
    have its outcome and no other: a direction of theirs within a margin was not asked for. A
    published gain belongs to a claim of a single contrast.
    """
    levels = contrast_levels(evidence, judgement)
    confirmed = np.isin(judgement.outcome, CONFIRMED) & (not evidence.claim.step_down)
    outcomes = []
    for number, contrast in enumerate(evidence.contrasts):
        changes = {"contrasts": (contrast,), "step_down": False}
        alone = Evidence(
            claim=evidence.claim.model_copy(update=changes),
            contrasts=(contrast,),
            estimates=(evidence.estimates[number],),
            gain=evidence.gain if len(evidence.contrasts) == 1 else np.nan,
            paper_scale=evidence.paper_scale,
        )
        own = outcome_at(alone, questions(alone), levels[..., number])
        outcomes.append(np.where(confirmed, judgement.outcome, own))
    return outcomes


def outcome_at(
    evidence: Evidence, answers: dict[str, np.ndarray], level: float | np.ndarray
) -> np.ndarray:
    """The outcome if the questions with a p value of at most `level` are answered.

    Args:
        answers: p values of `questions`, as they are or corrected.
    """
    shown = {name: p <= level for name, p in answers.items()}
    nothing = np.zeros_like(shown["direction"])
    holds, fails = sides(evidence)
    equality = all(c.kind == "equivalence" for c in evidence.contrasts)
    positive = (
        EQUIVALENT if equality else np.where(_size_agrees(evidence), "reproduced", "direction only")
    )
    return np.select(
        [
            ~evidence.complete,
            shown["direction"] & (fails < holds),
            shown["direction"],
            shown.get("equal", nothing),
            shown.get("gain", nothing),
        ],
        ["not run", "not reproduced", positive, EQUIVALENT, "published gain excluded"],
        "inconclusive",
    )


def _size_agrees(evidence: Evidence) -> np.ndarray:
    """Whether the plain 95 % interval contains the published gain, at the paper's scale.

    The plain interval is narrower than the corrected one, and so the stricter one here.
    """
    if not evidence.paper_scale or len(evidence.contrasts) > 1:
        return np.zeros(evidence.complete.shape, dtype=bool)
    low, high = evidence.estimates[0].interval(CONFIDENCE)
    return (low <= evidence.gain) & (evidence.gain <= high)


def _steps(evidence: Evidence, p_holm: dict[str, np.ndarray]) -> np.ndarray:
    holds, fails = sides(evidence)
    first = (p_holm["direction"] <= SIGNIFICANCE) & (holds < fails)
    further = [p <= SIGNIFICANCE for name, p in p_holm.items() if name.startswith("step ")]
    return np.sum([first, *further], axis=0)
