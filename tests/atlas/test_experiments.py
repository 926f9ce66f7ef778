"""The experiments' data and fits, by hand and against the libraries' own."""

import numpy as np
import pytest
import torch
from scipy import stats

from polyrepro.atlas import boosted, boosting, embeddings, far_point, intervals, outliers, sparsity
from polyrepro.atlas.log_cosh import leaves
from polyrepro.atlas.noisy_sinc import GAUSSIAN, HIGH_IMPULSES, IMPULSIVE, Noise, noisy_sinc, sinc
from polyrepro.atlas.regression_losses import AbsoluteError, LogCosh, SquaredError
from polyrepro.atlas.statements import (
    ends_in_words,
    finding_above,
    finding_below,
    percent,
    t_interval,
    tiny,
)


def test_errors_with_and_without_the_outlier_by_hand():
    errors = outliers.errors_with_and_without_outlier()
    assert errors["MAE"] == pytest.approx((1.0, 3.7))
    assert errors["RMSE"] == pytest.approx((1.5**0.5, 46.05**0.5))


def test_descent_by_hand():
    fixed = outliers.descend(AbsoluteError(), step=0.5)
    assert fixed[:6] == pytest.approx([2.03, 1.53, 1.03, 0.53, 0.03, 0.47])
    falling = outliers.descend(AbsoluteError(), step=0.5, falling=True)
    assert falling[:3] == pytest.approx([2.03, 1.53, 1.53 - 0.5 / 2**0.5])
    squared = outliers.descend(SquaredError(), step=0.25)
    assert squared[:3] == pytest.approx([2.03, 1.015, 0.5075])
    with pytest.raises(ValueError, match="step must be a finite number > 0, got 0"):
        outliers.descend(AbsoluteError(), step=0)


def test_the_noisy_sinc():
    assert sinc(np.array([[0.0], [2.0]])) == pytest.approx([1, np.sin(2) / 2])
    inputs, targets = noisy_sinc(IMPULSIVE, seed=3, samples=20_000)
    clean = noisy_sinc(GAUSSIAN, seed=3, samples=20_000)
    assert (inputs == clean[0]).all()
    impulses = targets - clean[1]
    assert set(np.round(impulses, 9)) == {0, 1} and impulses.mean() == pytest.approx(0.1, abs=0.01)
    assert (clean[1] - sinc(inputs)).std() == pytest.approx(0.1, abs=0.002)


@pytest.mark.parametrize(("rate", "height"), [(-0.1, 1), (1.1, 1), (0.1, 0)])
def test_noise_out_of_range(rate, height):
    name = "height" if height == 0 else "rate"
    with pytest.raises(ValueError, match=f"{name} must be"):
        Noise(rate, height)


def test_newton_boosting_of_squared_loss_is_lightgbm_s_own():
    import lightgbm

    inputs, targets = noisy_sinc(GAUSSIAN, seed=0)
    start = float(targets.mean())
    ours = start + boosted.newton_boosted(SquaredError(), inputs, targets, start).predict(inputs)
    settings = boosted.SETTINGS | {"objective": "regression"}
    theirs = lightgbm.train(settings, lightgbm.Dataset(inputs, targets), boosted.TREES)
    np.testing.assert_allclose(ours, theirs.predict(inputs), atol=1e-6)


def test_huber_with_a_delta_beyond_all_residuals_is_squared_loss():
    one, other = (boosted.huber_predictions(delta, GAUSSIAN, 0) for delta in (50.0, 100.0))
    assert (one == other).all()
    assert np.abs(one - boosted.huber_predictions(0.05, GAUSSIAN, 0)).max() > 0.01
    with pytest.raises(ValueError, match="delta must be a finite number > 0, got 0"):
        boosted.huber_predictions(0, GAUSSIAN, 0)


def test_the_delta_of_scikit_learn_is_the_quantile_of_its_residuals():
    inputs, targets = noisy_sinc(HIGH_IMPULSES, 0)
    deltas = boosting.implied_deltas(inputs, targets, alpha=0.8)
    model = boosted.boosted_trees("huber", inputs, targets, alpha=0.8)
    last = np.quantile(np.abs(targets - model.predict(inputs)), 0.8)
    assert len(deltas) == boosted.TREES and deltas[-1] == pytest.approx(last)


def test_a_flat_hessian_makes_no_leaves():
    assert leaves(LogCosh(), 0.0) > 4 and leaves(LogCosh(), 8.0) == 1
    assert leaves(SquaredError(), 8.0) > 4


def test_the_least_squares_band_by_the_textbook():
    inputs, targets = intervals.sample("constant", 0, 50)
    low, high = intervals.least_squares_band(inputs, targets, np.array([0.3]))
    design = np.column_stack([np.ones(50), inputs])
    weights, (squares,), *_ = np.linalg.lstsq(design, targets)
    at = np.array([1, 0.3])
    error = np.sqrt(squares / 48 * (1 + at @ np.linalg.inv(design.T @ design) @ at))
    half = stats.t.ppf(0.95, 48) * error
    assert (low[0], high[0]) == pytest.approx((at @ weights - half, at @ weights + half))


def test_a_quantile_line_has_its_share_below():
    inputs, targets = intervals.sample("growing", 0, 400)
    line = intervals.quantile_line(inputs, targets, inputs, 0.9)
    assert (targets < line - 1e-9).mean() == pytest.approx(0.9, abs=2 / 400)
    with pytest.raises(ValueError, match="quantile must be a number between 0 and 1"):
        intervals.quantile_line(inputs, targets, inputs, 0.0)


def test_coverage_adds_up():
    shares = intervals.coverage(intervals.least_squares_band, "growing")
    assert shares.shape == (3, 3) and shares.sum(axis=1) == pytest.approx(1)


def test_support_vectors_lie_on_or_within_the_margin():
    points, labels = sparsity.blobs(0)
    model = sparsity.hinge_model(points, labels)
    margin = (2 * labels - 1) * model.decision_function(points)
    assert set(np.flatnonzero(margin < 1 - 1e-4)) <= set(model.support_)
    assert margin[model.support_].max() < 1 + 1e-4


def test_a_far_point_and_models_of_it():
    inputs, labels = far_point.spoilt_clouds(0, 40.0)
    assert len(inputs) == far_point.SAMPLES + 1 and labels[-1] == -1
    assert float(inputs[-1, :2].norm()) == pytest.approx(40) and inputs[-1, 2] == 1
    weights = far_point.fit(far_point.squared, inputs, labels)
    expected = np.linalg.lstsq(inputs.numpy(), labels.numpy())[0]
    assert weights.numpy() == pytest.approx(expected)
    with pytest.raises(ValueError, match="distance must be a finite number > 0, got -1"):
        far_point.spoilt_clouds(0, -1)


def test_logistic_weights_are_scikit_learn_s():
    from sklearn.linear_model import LogisticRegression

    inputs, labels = far_point.clouds(1, 100)
    ours = far_point.fit(far_point.logistic, inputs, labels)
    # 1e-4 |w|^2 beside a mean of 100 losses is |w|^2 / (2 C) beside their sum.
    model = LogisticRegression(C=50, tol=1e-10, max_iter=1000).fit(inputs[:, :2], labels)
    assert ours.numpy() == pytest.approx([*model.coef_[0], *model.intercept_], rel=1e-3)


def test_triplets_are_of_one_class_and_another():
    labels = torch.arange(500) % 10
    triplet = embeddings.draw_triplets(labels, 256, torch.Generator().manual_seed(0))
    anchor, positive, negative = triplet
    assert [len(index) for index in triplet] == 3 * [256]
    assert (labels[anchor] == labels[positive]).all() and (anchor != positive).all()
    assert (labels[anchor] != labels[negative]).all()


def test_intervals_of_statements():
    values = [0.2, 0.5, 0.9, 0.4]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert t_interval(values) == pytest.approx(tuple(expected))
    assert finding_above(values, 0, "").outcome == "shown"
    assert finding_above(values, 2, "").outcome == "contradicted"
    assert finding_above(values, 0.5, "x").outcome == "undecided"
    assert finding_below(values, 2, "").outcome == "shown"
    assert finding_below(values, 0, "").outcome == "contradicted"
    assert finding_below(values, 0.5, "").outcome == "undecided"
    assert finding_above([1, 2, 3], -5, "mean 2").evidence == (
        "mean 2 (95 % interval -0.48 to 4.48)"
    )
    assert finding_below([0.01, 0.02, 0.03], 1, "lost", "points").evidence == (
        "lost (95 % interval -0.48 to 4.48 points)"
    )
    assert ends_in_words(0.0903, 0.11) == "0.090 to 0.110" and ends_in_words(0, 0) == "0 to 0"


def test_numbers_in_words():
    assert [percent(0.1234), percent(-1e-9), percent(0.9, 0)] == ["12.3 %", "0.0 %", "90 %"]
    assert [tiny(e) for e in (0, 3e-10, 0.02)] == ["below 1e-12", "below 1e-09", "0.02"]
