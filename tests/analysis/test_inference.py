"""Estimates of paired differences against scipy and against simulated truths."""

import numpy as np
import pytest
from scipy import stats

from polyrepro.analysis.inference import common_step, estimate_means


def test_p_values_are_those_of_the_t_test():
    values = np.random.default_rng(0).normal(0.4, 1, (3, 7))
    result = estimate_means(values)
    for boundary in (0.0, 0.3):
        above = stats.ttest_1samp(values, boundary, axis=1, alternative="greater").pvalue
        assert result.p_above(boundary) == pytest.approx(above)
        assert result.p_below(boundary) == pytest.approx(1 - above)
    assert result.sd == pytest.approx(values.std(axis=1, ddof=1))


def test_with_a_collapsed_run_the_test_is_yuens_of_the_trimmed_mean():
    """scipy has it for two samples; the second one here is constant."""
    values = np.array([0.1, 0.5, 0.3, -75.0, 0.2, 0.4, 0.25, 0.6])
    result = estimate_means(values, values < -50)
    yuen = stats.ttest_ind(values, np.zeros(8), trim=1 / 8, equal_var=False)
    assert result.cut == 1 and result.mean == pytest.approx(stats.trim_mean(values, 1 / 8))
    assert 2 * result.p_above(0) == pytest.approx(yuen.pvalue)
    low, high = result.interval(1 - yuen.pvalue)
    assert low == pytest.approx(0, abs=1e-12) and high > 0.5


def test_a_collapse_at_either_end_moves_the_mean_against_its_variant():
    healthy = [0.1, 0.2, 0.3, 0.4, 0.5]
    for lost in (-75.0, 75.0):
        values = np.array([*healthy, lost])
        shift = float(estimate_means(values, np.abs(values) > 50).mean) - 0.3
        assert shift * lost > 0


def test_where_nearly_all_collapse_that_is_the_result():
    values = np.array([-70.0, -70.1, -69.8, -70.2, -69.9])
    assert estimate_means(values, np.full(5, True)).p_below(0) < 1e-6


def test_with_few_pairs_and_a_collapse_that_cannot_be_trimmed_there_is_no_interval():
    values = np.array([-70.0, -70.1, -69.8])
    result = estimate_means(values, np.full(3, True))
    assert np.isnan(result.error) and result.p_below(0) == 1


def test_equal_differences_show_no_noise_and_decide_nothing():
    assert np.isnan(estimate_means([0.3, 0.1 + 0.2, 0.3]).error)


def test_the_same_runs_on_both_sides_are_exactly_equal():
    result = estimate_means([0.0, 0.0, 0.0])
    assert result.p_below(0.3) == 0 and result.p_above(0) == 1
    assert np.isnan(estimate_means([0.0, 0.0]).error)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([76.0, 77.0, 78.0], 1.0),
        ([76.5, 77.0, np.nan], 0.5),
        ([[90.1, 90.3], [89.9, 91.0]], 0.1),
        (np.round(100 * np.array([2001, 1999, 2003]) / 3200, 6), 1 / 32),
        ([76.1390274, 77.6502913, 78.1173349], 0.0),
    ],
)
def test_the_step_of_values_is_the_largest_that_all_are_multiples_of(values, step):
    assert common_step(np.array(values)) == pytest.approx(step)


def test_differences_of_zero_are_as_sure_as_the_rounding_allows():
    """Uniform rounding of two values to one point has a standard deviation of 1 / sqrt(6)."""
    result = estimate_means(np.zeros(6), step=1.0)
    assert result.error == pytest.approx(1 / 6)
    assert result.p_below(0.3) == pytest.approx(stats.t.sf(0.3 * 6, 5))
    assert estimate_means(np.zeros(6), step=0.03).p_below(0.3) < 1e-6
    rows = estimate_means(np.zeros((2, 6)), step=np.array([0.0, 1.0]))
    assert rows.error.tolist() == pytest.approx([0, 1 / 6])


def test_without_pairs_there_is_no_mean():
    result = estimate_means(np.zeros((2, 0)))
    assert result.n.tolist() == [0, 0] and np.isnan(result.mean).all()


@pytest.mark.parametrize("seeds", [3, 5, 10, 20])
@pytest.mark.parametrize("collapse", [0.0, 0.05])
def test_coverage(seeds, collapse):
    """Runs of both variants collapse alike; healthy pairs differ by 0.3."""
    random = np.random.default_rng(1)
    lost = random.random((2, 20_000, seeds)) < collapse
    first, second = np.where(lost, 10, 86) + random.normal(0, 0.3, lost.shape)
    result = estimate_means(first - second + 0.3, lost.any(axis=0))
    low, high = result.interval(0.95)
    known = ~np.isnan(low)
    assert 0.93 < ((low <= 0.3) & (high >= 0.3))[known].mean() < 0.97
