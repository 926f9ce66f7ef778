"""Estimates and p values of paired differences: arrays of any shape with the seeds last.

One kind of interval decides everything: Student's t interval of the mean of the paired differences.
With three to ten seeds it is exact for normal differences, while a bootstrap is too narrow and a
test of signs or ranks cannot reach the levels that a report of many claims needs (its smallest
two-sided p value with n pairs is 2^(1 - n): 0.0625 for five).

Collapsed runs. A network that has not learnt anything differs from its partner by tens of points,
which buries a difference of half a point. Collapse is recognised by its accuracy (near chance), not
by the difference. If c of the n pairs have a collapsed run, the c smallest and the c largest
differences are cut off and the interval is that of the trimmed mean (Yuen 1974): t with n - 2c - 1
degrees of freedom and the standard error from the winsorised differences. Without a collapse it is
the plain t interval. As many are cut at both ends, so that runs which collapse never count in
favour of their variant. If fewer than three pairs would be left, nothing is cut off:
the plain t interval is then very wide, or nearly all pairs have collapsed and that is the result.
With fewer than five pairs such a pattern arises by chance too often, and there is no interval.

Equal runs. Differences that are all zero come from runs that are the same, or from metrics so
coarse (the accuracy of a hundred images, or values without decimals) that a difference is rounded
away. The error is then that of rounding alone.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from polyrepro.analysis.significance import SIGNIFICANCE

FEWEST_LEFT = 3
"""Pairs that trimming must leave."""

FEWEST_COLLAPSED = 5
"""Pairs that an interval needs if collapsed runs cannot be trimmed away."""

FINEST = 10_000
"""Parts of a hundred down to which a common step of values is looked for."""

WRITTEN = 1e-4
"""A value this part of a step away from a multiple is one, written with a few digits."""

ROUNDING = 1e-9
"""A standard error below this part of the values is rounding: the differences are all equal."""


@dataclass(frozen=True)
class Estimates:
    """Means of paired differences; each attribute is an array over the leading dimensions.

    Attributes:
        n: pairs.
        cut: pairs cut off at each end because of collapsed runs.
        mean: (trimmed) mean; NaN without pairs.
        error: its standard error; NaN where none can be had: with one pair, or where the
            differences are equal to each other but not to zero, so that they show no noise at all.
            Where three or more differences are all zero it is that of the values' rounding.
        freedom: degrees of freedom of t.
    """

    n: np.ndarray
    cut: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    freedom: np.ndarray

    @property
    def sd(self) -> np.ndarray:
        """Standard deviation of the differences, as far as it enters the error."""
        return self.error * np.sqrt(self.freedom + 1)

    def interval(self, confidence: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both ends of the interval with this coverage."""
        half = student_quantile(0.5 + np.asarray(confidence) / 2, self.freedom) * self.error
        return self.mean - half, self.mean + half

    def p_above(self, boundary: float) -> np.ndarray:
        """One-sided p value against "at most `boundary`"; small if the mean is shown above it."""
        return self._p(self.mean - boundary)

    def p_below(self, boundary: float) -> np.ndarray:
        """One-sided p value against "at least `boundary`"."""
        return self._p(boundary - self.mean)

    def _p(self, excess: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            p = special.stdtr(self.freedom, -excess / self.error)
        # Nothing is shown without an error, nor by 0 / 0.
        return np.where(np.isnan(p), 1.0, p)


def student_quantile(probability: np.ndarray | float, freedom: np.ndarray | float) -> np.ndarray:
    """Quantile of Student's t; NaN without a degree of freedom.

    It is `scipy.stats.t.ppf` to the bit, which takes half a second to import.
    """
    return special.stdtrit(freedom, probability)


def estimate_means(
    values: np.ndarray, collapsed: np.ndarray | None = None, step: float = 0.0
) -> Estimates:
    """Estimates of the means over the last dimension.

    Args:
        values: (..., seeds) differences, or values of one variant.
        collapsed: (..., seeds) whether a run behind the value has collapsed.
        step: of two values that are compared, see `common_step`; 0 where they are exact, and where
            a variant is compared with itself.
    """
    values = np.asarray(values, dtype=float)
    n = values.shape[-1]
    count = np.zeros_like(values, dtype=bool) if collapsed is None else np.asarray(collapsed)
    count = count.sum(axis=-1)
    cut = np.where(n - 2 * count >= FEWEST_LEFT, count, 0)
    result = _estimates(np.sort(values, axis=-1), cut, step)
    undecidable = (count > cut) & (n < FEWEST_COLLAPSED)
    return replace(result, error=np.where(undecidable, np.nan, result.error))


def common_step(values: np.ndarray) -> float:
    """The largest part of a hundred of which all values are multiples: 0.1 for 1,000 images.

    It is 0 if there is none down to `FINEST` parts, as of values that are not rounded.
    """
    parts = np.arange(1, FINEST + 1)
    multiples = np.outer(np.unique(values[np.isfinite(values)]), parts / 100)
    found = parts[(np.abs(multiples - np.round(multiples)) < WRITTEN).all(axis=0)]
    return 100 / float(found[0]) if len(found) else 0.0


def _estimates(ordered: np.ndarray, cut: np.ndarray, step: float) -> Estimates:
    """The estimates of ordered values of which `cut` are cut off at each end."""
    n = ordered.shape[-1]
    mean, error = np.full(cut.shape, np.nan), np.full(cut.shape, np.nan)
    for count in np.unique(cut) if n else ():
        rows = cut == count
        kept = ordered[rows][:, count : n - count]
        mean[rows] = kept.mean(axis=-1)
        if n > 1:
            error[rows] = _error(ordered[rows], kept)
    scale = np.abs(ordered).max(axis=-1, initial=0)
    equal = error <= ROUNDING * scale
    # Rounding to a step is uniform noise; each difference has that of two values.
    of_rounding = step / np.sqrt(6 * max(n, 1))
    zero = (scale == 0) & (n >= FEWEST_LEFT)
    error = np.where(equal, np.where(zero, of_rounding, np.nan), error)
    return Estimates(np.full(cut.shape, n), cut, mean, error, n - 2 * cut - 1)


def _error(ordered: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Standard error of the trimmed mean; of the plain one where all are kept."""
    n, left = ordered.shape[-1], kept.shape[-1]
    winsorised = np.clip(ordered, kept[:, :1], kept[:, -1:])
    return np.sqrt(winsorised.var(axis=-1, ddof=1) * (n - 1) / (left * (left - 1)))


def holm(family: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Holm's corrected p values, and the level at which each one was compared.

    Args:
        family: (..., questions); NaN does not belong to the family of its report.

    Returns:
        Two arrays like `family`, NaN where it is. An interval of coverage 1 - level excludes a
        boundary exactly if the corrected p value of that boundary is at most 5 %. (statsmodels
        corrects one report at a time, and collects garbage each time.)
    """
    m = (~np.isnan(family)).sum(axis=-1, keepdims=True)
    order = np.argsort(family, axis=-1, kind="stable")  # NaN comes last
    remaining = np.maximum(m - np.arange(family.shape[-1]), 1)
    ordered = np.take_along_axis(family, order, axis=-1)
    corrected = np.minimum(np.maximum.accumulate(ordered * remaining, axis=-1), 1)
    answered = (corrected <= SIGNIFICANCE).sum(axis=-1, keepdims=True)
    # Those that are not answered are all compared at the level at which the procedure stopped.
    levels = SIGNIFICANCE / np.maximum(remaining, m - answered)
    levels = np.where(np.isnan(ordered), np.nan, levels)
    back = np.argsort(order, axis=-1, kind="stable")
    return np.take_along_axis(corrected, back, axis=-1), np.take_along_axis(levels, back, axis=-1)
