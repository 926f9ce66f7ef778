"""How many seeds an effect needs to be found."""

import math

from statsmodels.stats.power import TTestPower

POWER = 0.8
MOST_SEEDS = 9999
"""More than this is given as infinity."""


def seeds_needed(effect: float, sd: float, level: float, power: float = POWER) -> float:
    """Smallest number of pairs with which a two-sided t test finds a difference.

    Args:
        effect: true mean difference.
        sd: standard deviation of the paired differences. Where it comes from a handful of seeds the
            answer is a rough one: with five it is easily wrong by a factor of three.
        level: significance level of the test, corrected for the number of claims.

    Returns:
        A whole number, at least 2; infinity above `MOST_SEEDS` and where there is no effect; NaN
        where an input is.
    """
    if math.isnan(effect) or math.isnan(sd) or math.isnan(level):
        return math.nan
    if effect == 0:
        return math.inf
    size = abs(effect) / sd if sd > 0 else math.inf
    if math.isinf(size):
        return 2.0
    low, high = 1, MOST_SEEDS + 1
    while high - low > 1:
        middle = (low + high) // 2
        reached = TTestPower().power(size, middle, level / 2, alternative="larger")
        # scipy's noncentral t is NaN where the power is 1.
        low, high = (middle, high) if reached < power else (low, middle)
    return float(high) if high <= MOST_SEEDS else math.inf


def seeds_for_margin(margin: float, sd: float, level: float) -> float:
    """Smallest number of pairs that shows equivalence within a margin if there is no difference.

    Two tests have to succeed, so each may fail in half of the remaining cases.
    """
    return seeds_needed(margin, sd, level, power=(1 + POWER) / 2)
