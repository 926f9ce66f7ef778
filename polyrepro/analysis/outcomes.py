"""What the evidence on a claim amounts to: seven outcomes, each defined here and nowhere else.

Every claim poses one to three questions, each answered by a two-sided p value:

- `direction`: do all its contrasts hold (or does one of them fail)?
- `equal`: for superiority contrasts with a margin: is there no difference beyond the margin?
- `gain`: for one superiority contrast with a published, verified gain: is the effect smaller?

A claim that steps down has one `step` per further contrast. Holm's procedure corrects the p values
over all questions of a report, so that the probability of any false answer is at most 5 %.
Everything here takes arrays with one element per report, so that simulated reports are judged by
the same code as real ones.
"""

from dataclasses import dataclass

import numpy as np

from polyrepro.analysis.inference import Estimates, holm
from polyrepro.analysis.significance import CONFIDENCE, SIGNIFICANCE
from polyrepro.studies.claim import Claim, Contrast

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
class Evidence:
    """What was measured about a claim.

    Attributes:
        claim: the claim.
        contrasts: those of the claim that the scale runs.
        estimates: one per contrast, over the same reports.
        gain: the published gain if it is verified, else NaN.
        paper_scale: whether data and model are the paper's.
    """

    claim: Claim
    contrasts: tuple[Contrast, ...]
    estimates: tuple[Estimates, ...]
    gain: float = np.nan
    paper_scale: bool = False

    @property
    def complete(self) -> np.ndarray:
        """Whether all contrasts have been measured."""
        return np.all([e.n > 0 for e in self.estimates], axis=0)


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
        steps: of a claim that steps down, how many contrasts hold in a row.
    """

    outcome: np.ndarray
    p: np.ndarray
    p_holm: np.ndarray
    levels: np.ndarray
    steps: np.ndarray


def p_holds(contrast: Contrast, estimates: Estimates) -> np.ndarray:
    """One-sided p value against the contrary of what a contrast expects."""
    threshold, (_, high) = contrast.threshold, contrast.edges
    if contrast.kind == "equivalence":
        return p_within(contrast, estimates)
    if contrast.kind == "at_most":
        return estimates.p_below(high)
    return estimates.p_above(threshold) if contrast.sign > 0 else estimates.p_below(threshold)


def p_within(contrast: Contrast, estimates: Estimates) -> np.ndarray:
    """One-sided p value against a difference of the margin or more: that of two one-sided tests."""
    low, high = contrast.edges
    return np.maximum(estimates.p_above(low), estimates.p_below(high))


def p_fails(contrast: Contrast, estimates: Estimates) -> np.ndarray:
    """One-sided p value against what a contrast expects."""
    threshold, (low, high) = contrast.threshold, contrast.edges
    if contrast.kind == "equivalence":
        return np.minimum(estimates.p_below(low), estimates.p_above(high))
    if contrast.kind == "at_most":
        return estimates.p_above(high)
    return estimates.p_below(threshold) if contrast.sign > 0 else estimates.p_above(threshold)


def questions(evidence: Evidence) -> dict[str, np.ndarray]:
    """Two-sided p values of a claim's questions; NaN where it has not been measured.

    All contrasts hold if the least certain one does (an intersection-union test, which needs no
    correction); that any of several fails is corrected by Bonferroni.
    """
    contrasts = evidence.contrasts
    holds, fails = _sides(evidence)
    answers = {"direction": 2 * np.minimum(holds, fails)}
    if evidence.claim.step_down:
        steps = [p_holds(c, e) for c, e in zip(contrasts, evidence.estimates, strict=True)]
        # A step counts only if all before it do.
        for number, p in enumerate(np.maximum.accumulate(steps, axis=0)[1:], start=2):
            answers[f"step {number}"] = 2 * p
    if all(c.kind == "superiority" and c.margin for c in contrasts):
        equal = [p_within(c, e) for c, e in zip(contrasts, evidence.estimates, strict=True)]
        answers["equal"] = 2 * np.max(equal, axis=0)
    if not np.isnan(evidence.gain) and [c.kind for c in contrasts] == ["superiority"]:
        answers["gain"] = 2 * _p_smaller(contrasts[0], evidence.estimates[0], evidence.gain)
    return {
        name: np.where(evidence.complete, np.minimum(p, 1), np.nan) for name, p in answers.items()
    }


def _sides(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """One-sided p values for the claim and against it."""
    pairs = list(zip(evidence.contrasts, evidence.estimates, strict=True))
    if evidence.claim.step_down:
        pairs = pairs[:1]
    holds = np.max([p_holds(*pair) for pair in pairs], axis=0)
    fails = len(pairs) * np.min([p_fails(*pair) for pair in pairs], axis=0)
    return holds, fails


def _p_smaller(contrast: Contrast, estimates: Estimates, gain: float) -> np.ndarray:
    """Against "at least the published gain", in the expected direction."""
    return estimates.p_below(gain) if contrast.sign > 0 else estimates.p_above(gain)


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
        p_holm = {name: corrected[..., part][..., i] for i, name in enumerate(names)}
        judgements.append(
            Judgement(
                outcome=outcome_at(evidence, p_holm, SIGNIFICANCE),
                p=answers["direction"],
                p_holm=p_holm["direction"],
                levels=levels[..., part][..., compared],
                steps=_steps(evidence, p_holm),
            )
        )
    return judgements


def contrast_levels(evidence: Evidence, judgement: Judgement) -> np.ndarray:
    """(..., contrasts) the level at which each contrast is read on its own.

    Where a claim of k contrasts has been confirmed, each of them holds at the claim's level;
    otherwise each is one of k that might be called something by chance, and has the k-th part.
    """
    count = len(evidence.contrasts)
    if count == 1 or evidence.claim.step_down:
        return judgement.levels
    confirmed = np.isin(judgement.outcome, CONFIRMED)
    return np.where(confirmed[..., None], judgement.levels, judgement.levels / count)


def contrast_outcomes(evidence: Evidence, judgement: Judgement) -> list[np.ndarray]:
    """The outcome of each contrast on its own, read from the interval that decides.

    "Not run" where the claim has not been judged. A published gain belongs to a claim of a single
    contrast.
    """
    levels = contrast_levels(evidence, judgement)
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
        outcomes.append(outcome_at(alone, questions(alone), levels[..., number]))
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
    holds, fails = _sides(evidence)
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
    holds, fails = _sides(evidence)
    first = (p_holm["direction"] <= SIGNIFICANCE) & (holds < fails)
    further = [p <= SIGNIFICANCE for name, p in p_holm.items() if name.startswith("step ")]
    return np.sum([first, *further], axis=0)
