"""What a statement of the survey or the essay is, and what testing it gives.

A statement is a function without arguments that carries the sentence it tests and returns a
:class:`Finding`: the outcome, with the numbers that decided it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from scipy import stats

from polyrepro.analysis.significance import CONFIDENCE, CONFIDENCE_PERCENT

SURVEY, ESSAY, ADDED = "survey", "essay", "this study"
"""Where a statement comes from; what is added here qualifies one of the other two."""

SHOWN, CONTRADICTED, UNDECIDED, LEFT_OUT = "shown", "contradicted", "undecided", "left out"


@dataclass(frozen=True)
class Finding:
    """An outcome and its evidence: measured numbers in words, or why nothing was measured."""

    outcome: str
    evidence: str


@dataclass(frozen=True)
class Statement:
    """A sentence to be tested, and the name of the function that does it."""

    name: str
    text: str
    source: str


def states(text: str, source: str) -> Callable:
    """Mark a function that returns a :class:`Finding` as the test of this sentence."""

    def mark(test: Callable[[], Finding]) -> Callable[[], Finding]:
        test.statement = Statement(test.__name__, text, source)
        return test

    return mark


def tests_in(module: ModuleType) -> list[Callable[[], Finding]]:
    """The tests of statements that a module defines, in its order."""
    return [value for value in vars(module).values() if hasattr(value, "statement")]


def finding(holds: bool, evidence: str) -> Finding:
    """Shown or contradicted by a calculation that leaves no noise."""
    return Finding(SHOWN if holds else CONTRADICTED, evidence)


def finding_above(
    values: Sequence[float] | np.ndarray, threshold: float, evidence: str, unit: str = ""
) -> Finding:
    """Whether a mean over independent draws lies above a threshold, by its t interval.

    Args:
        values: one per draw of the data, at least two.
        evidence: text before the interval.
        unit: "%" or "points" if the values are shares, which are then given in hundredths.
    """
    low, high = t_interval(values)
    ends = ends_in_words(*(100 * end if unit else end for end in (low, high)))
    text = f"{evidence} ({CONFIDENCE_PERCENT} % interval {f'{ends} {unit}'.strip()})"
    if low <= threshold <= high:
        return Finding(UNDECIDED, text)
    return finding(low > threshold, text)


def finding_below(
    values: Sequence[float] | np.ndarray, threshold: float, evidence: str, unit: str = ""
) -> Finding:
    """The same for a mean that should lie below the threshold."""
    above = finding_above(values, threshold, evidence, unit)
    opposite = {SHOWN: CONTRADICTED, CONTRADICTED: SHOWN}
    return Finding(opposite.get(above.outcome, above.outcome), above.evidence)


def ends_in_words(low: float, high: float) -> str:
    """Both ends of an interval with the same decimals, of three digits in the larger one."""
    size = max(abs(low), abs(high))
    digits = max(0, 2 - math.floor(math.log10(size))) if size else 0
    return f"{low:.{digits}f} to {high:.{digits}f}"


def percent(share: float, digits: int = 1) -> str:
    """A share as the report writes it."""
    return f"{round(100 * share, digits) + 0.0:.{digits}f} %"


def tiny(error: float) -> str:
    """An error of rounding as a bound, because its digits differ between machines."""
    for bound in (1e-12, 1e-9, 1e-6):
        if error < bound:
            return f"below {bound:.0e}"
    return f"{error:.1g}"


def t_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Student's t interval of a mean; of no width where all values are equal."""
    values = np.asarray(values, dtype=float)
    error = stats.sem(values)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * error)
    return float(values.mean() - half), float(values.mean() + half)
