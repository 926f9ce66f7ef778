"""What is asked about a claim, and the p values that answer it.

Every claim poses one to three questions, each answered by a two-sided p value:

- `direction`: do all its contrasts hold (or does one of them fail)?
- `equal`: for superiority contrasts with a margin: is there no difference beyond the margin?
- `gain`: for one superiority contrast with a published, verified gain: is the effect smaller?

A claim that steps down has one `step` per further contrast. Any other claim of several contrasts
has `contrasts`, which is never answered as a whole: it keeps a share of the report's level for what
is said of the single contrasts, also where the claim itself has been decided. Everything here takes
arrays with one element per report, so that simulated reports are judged by the same code as real
ones.
"""

from dataclasses import dataclass

import numpy as np

from polyrepro.analysis.inference import Estimates
from polyrepro.studies.claim import Claim, Contrast

CONTRASTS = "contrasts"
"""The question about the single contrasts of a claim of several."""


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
    holds, fails = sides(evidence)
    answers = {"direction": 2 * np.minimum(holds, fails)}
    if len(contrasts) > 1 and not evidence.claim.step_down:
        answers[CONTRASTS] = np.ones_like(holds)
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


def sides(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
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
