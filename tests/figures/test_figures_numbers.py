"""What is drawn, read back from the axes: it must be what the tables and the losses say."""

import numpy as np
import pandas as pd
import pytest
from figures_drawn import dots, figure_of, intervals, legend_labels, line, rows_of

from polyrepro.analysis.metrics_table import read_metrics
from polyrepro.figures import FIGURES, losses
from polyrepro.losses import SoftGate


def expected_points(rows, x, columns) -> np.ndarray:
    """x and columns of the rows of a table, sorted by x."""
    values = np.column_stack([x, rows[columns]]).astype(float)
    return values[np.argsort(values[:, 0], kind="stable")]


def test_truncation_shows_the_table_and_every_seed(results):
    rows = rows_of(results, "truncation").drop(index="cross_entropy")
    whole, _ = figure_of("truncation", results).axes
    expected = expected_points(rows, rows["terms"], ["mean", "low", "high"])
    np.testing.assert_allclose(line(whole, "its first $N$ terms"), expected[:, :2])
    np.testing.assert_allclose(intervals(whole), expected[:, [0, 2, 3]])
    metrics = read_metrics(results / "metrics.csv")
    runs = metrics[
        (metrics.study == "truncation") & (metrics.metric == "top1") & (metrics.split == "test")
    ]
    runs = runs[(runs.epoch == 2) & runs.terms.notna()]
    pairs = zip(runs.terms.astype(float), runs.value, strict=True)
    assert dots(whole) == {(n, round(value, 6)) for n, value in pairs}


def test_truncation_s_second_panel_has_the_paired_differences(results):
    rows = rows_of(results, "truncation").drop(index="cross_entropy")
    whole, paired = figure_of("truncation", results).axes
    columns = ["difference", "difference_low", "difference_high"]
    expected = expected_points(rows, rows["terms"], columns)
    np.testing.assert_allclose(line(paired, "its first $N$ terms"), expected[:, :2])
    # With three seeds, one of them collapsed, there is no interval.
    with_interval = expected[np.isfinite(expected).all(axis=1)]
    assert len(with_interval) < len(expected)
    np.testing.assert_allclose(intervals(paired), with_interval[:, [0, 2, 3]])
    for axes in (whole, paired):
        low, high = axes.get_ylim()
        assert all(low < y < high for _, y in dots(axes))
    (margin,) = paired.patches
    assert (margin.get_y(), margin.get_height()) == (-1, 2)
    assert "logarithmic beyond 1" in paired.get_ylabel()


def test_cross_entropy_s_band_is_its_interval(results):
    reference = rows_of(results, "truncation").loc["cross_entropy"]
    axes = figure_of("truncation", results).axes[0]
    assert line(axes, "cross-entropy")[0, 1] == pytest.approx(reference["mean"])
    (band,) = axes.patches
    edges = (band.get_y(), band.get_y() + band.get_height())
    assert edges == pytest.approx((reference["low"], reference["high"]))


def test_truncation_lr_has_a_line_per_number_of_terms(results):
    rows = rows_of(results, "truncation_lr")
    series = {"cross-entropy": rows[rows["terms"].isna()]}
    series |= {f"$N = {n:g}$": rows[rows["terms"] == n] for n in (100,)}
    assert sum(len(part) for part in series.values()) == len(rows)
    columns = (["mean", "low", "high"], ["difference", "difference_low", "difference_high"])
    for axes, shown in zip(figure_of("truncation_lr", results).axes, columns, strict=True):
        for number, (label, part) in enumerate(series.items()):
            expected = expected_points(part, part["learning_rate"], shown)
            np.testing.assert_allclose(line(axes, label), expected[:, :2])
            np.testing.assert_allclose(intervals(axes, number), expected[:, [0, 2, 3]])


@pytest.mark.parametrize(
    ("name", "panel", "metric", "prefix"),
    [
        ("epsilon_sweep", 0, "top1", ""),
        ("epsilon_sweep", 1, "top1", "difference"),
        ("calibration", 0, "mean_pt", ""),
        ("calibration", 1, "ece", ""),
        ("long_tail", 0, "top1_head", "difference"),
        ("long_tail", 1, "top1_middle", "difference"),
        ("long_tail", 2, "top1_tail", "difference"),
        ("long_tail", 3, "top1", "difference"),
    ],
)
def test_epsilon_curves_show_the_table(results, name, panel, metric, prefix):
    rows = rows_of(results, FIGURES[name], metric)
    poly = rows.drop(index="cross_entropy")
    columns = ["difference", "difference_low", "difference_high"] if prefix else []
    columns = columns or ["mean", "low", "high"]
    axes = figure_of(name, results).axes[panel]
    expected = expected_points(poly, poly["epsilon"].astype(float), columns)
    np.testing.assert_allclose(line(axes, "Poly-1"), expected[:, :2])
    np.testing.assert_allclose(intervals(axes), expected[:, [0, 2, 3]])
    reference = 0 if prefix else rows.loc["cross_entropy", "mean"]
    np.testing.assert_allclose(line(axes, "cross-entropy"), [(0, reference)])
    joined = np.concatenate([expected[:, :2], [(0, reference)]])
    (curve,) = [entry for entry in axes.lines if len(entry.get_xdata()) == len(joined)]
    np.testing.assert_allclose(curve.get_xydata(), joined[np.argsort(joined[:, 0])])


def test_paired_dots_are_differences_seed_by_seed(results):
    metrics = read_metrics(results / "metrics.csv")
    runs = metrics[
        (metrics.study == "epsilon_sweep") & (metrics.metric == "top1") & (metrics.split == "test")
    ]
    values = runs[runs.epoch == 2].set_index(["epsilon", "seed"])["value"]
    expected = {
        (float(epsilon), round(value - values[("", seed)], 6))
        for (epsilon, seed), value in values.items()
        if epsilon
    }
    assert dots(figure_of("epsilon_sweep", results).axes[1]) == expected


def test_the_ring_is_around_what_validation_selected(results, cut_results):
    label = "chosen on validation images"
    for axes in figure_of("epsilon_sweep", results).axes:
        assert line(axes, label)[:, 0].tolist() == [2.0]
    for axes in figure_of("epsilon_sweep", cut_results).axes:
        assert line(axes, label).size == 0
    assert label in legend_labels("epsilon_sweep", results)
    assert label not in legend_labels("epsilon_sweep", cut_results)


def test_poly_n_repeats_a_winner_and_names_its_coefficients(results):
    rows = rows_of(results, "poly_n")
    (axes,) = figure_of("poly_n", results).axes
    labels = [tick.get_text() for tick in axes.get_xticklabels()]
    assert labels == ["$N = 1$\n(2)", "$N = 2$\n(2, 0)", "$N = 3$\n(2, 0, 1)"]
    winners = ["poly1_e+2", "poly1_e+2", "poly3_e+1"]
    drawn = np.concatenate([intervals(axes, number) for number in range(3)])
    columns = ["difference_low", "difference_high"]
    expected = np.column_stack([range(1, 4), rows.loc[winners, columns]])
    np.testing.assert_allclose(drawn, expected)
    others = [entry for entry in axes.lines if entry.get_label() == "other grid points (mean)"]
    means = np.concatenate([entry.get_ydata() for entry in others])
    # The winner of N = 1 has one coefficient, so no point of the grid of N = 2 is the winner.
    unselected = rows.drop(index=["cross_entropy", "poly1_e+2", "poly3_e+1"])
    np.testing.assert_allclose(sorted(means), sorted(unselected["difference"]))
    assert axes.get_title(loc="left") == f"cross-entropy: {rows['mean']['cross_entropy']:.1f} %"


def test_poly_n_says_that_a_selected_loss_was_not_run(cut_results):
    (axes,) = figure_of("poly_n", cut_results).axes
    assert axes.get_xticklabels()[2].get_text() == "$N = 3$\n(not run)"


def test_leading_share_of_epochs_of_one_step_is_that_of_whole_epochs(results, tmp_path):
    metrics = pd.read_csv(results / "metrics.csv", dtype=str, keep_default_na=False)
    whole = metrics["epoch"].astype(float) % 1 == 0
    metrics[whole].to_csv(tmp_path / "metrics.csv", index=False)
    (tmp_path / "statistics.csv").write_bytes((results / "statistics.csv").read_bytes())
    (axes,) = figure_of("leading_share", tmp_path).axes
    shown = metrics[
        whole
        & (metrics.study == "epsilon_sweep")
        & (metrics.variant == "cross_entropy")
        & (metrics.split == "train")
        & (metrics.metric == "leading_share")
    ]
    expected = shown.assign(value=shown.value.astype(float)).groupby("epoch").value.mean()
    found = line(axes, "mean of the images’ shares")
    assert found[:, 1] == pytest.approx(expected.to_numpy())


def test_leading_share_leaves_out_the_means_of_whole_epochs(results):
    metrics = read_metrics(results / "metrics.csv")
    (axes,) = figure_of("leading_share", results).axes
    labels = {
        "leading_share": "mean of the images’ shares",
        "leading_share_weighted": "share of the summed gradients",
    }
    for metric, label in labels.items():
        runs = metrics[(metrics.study == "epsilon_sweep") & (metrics.variant == "cross_entropy")]
        runs = runs[(runs.metric == metric) & (runs.split == "train")]
        means = runs.groupby("epoch")["value"].mean().drop([1.0, 2.0])
        drawn = line(axes, label)
        np.testing.assert_allclose(drawn[:, 0], [0.2, 0.4, 0.6, 0.8, 1.2, 1.4, 1.6, 1.8])
        np.testing.assert_allclose(drawn[:, 1], means)
    assert line(axes, "one half")[:, 1].tolist() == [0.5, 0.5]


def test_losses_against_formulas():
    """The formulas are written out here and nowhere in the figure."""
    values, coefficients, weights = figure_of("losses", None).axes
    p, loss = line(values, r"focal, $\gamma = 2$").T
    np.testing.assert_allclose(loss, -((1 - p) ** 2) * np.log(p), atol=1e-12)
    p, loss = line(values, r"Poly-1, $\epsilon_1 = -1$").T
    np.testing.assert_allclose(loss, -np.log(p) - (1 - p), atol=1e-12)
    p, weight = line(weights, r"Poly-1, $\epsilon_1 = 2$").T
    np.testing.assert_allclose(weight, 1 + 2 * p, atol=1e-9)
    p, weight = line(weights, "truncated, $N = 2$").T
    np.testing.assert_allclose(weight, 1 - (1 - p) ** 2, atol=1e-9)
    stems = [entry.get_ydata() for entry in coefficients.lines if len(entry.get_ydata()) == 6]
    inverse = [1 / j for j in range(1, 7)]
    expected = [
        inverse,
        [3, *inverse[1:]],
        [0, *inverse[1:]],
        [0, 0, *inverse[:4]],
        [1, 1 / 2, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(np.array(stems, dtype=float), expected, atol=1e-12)


def test_any_series_can_be_added_to_the_losses(monkeypatch):
    curve = losses.Curve("soft gate", SoftGate(1.0), "#000000", ":", "x")
    monkeypatch.setattr(losses, "CURVES", (*losses.CURVES, curve))
    values, _, weights = losses.figure().axes
    p, loss = line(values, "soft gate").T
    np.testing.assert_allclose(loss, -(1 - p) * np.log(p), atol=1e-12)
    p, weight = line(weights, "soft gate").T
    np.testing.assert_allclose(weight, (1 - p) - p * np.log(p), atol=1e-9)


def test_a_single_seed_has_no_interval(single_seed_results):
    for axes in figure_of("epsilon_sweep", single_seed_results).axes:
        assert np.isfinite(line(axes, "Poly-1")).all()
        for container in axes.containers:
            (bars,) = container.lines[2]
            assert sum(segment.size for segment in bars.get_segments()) == 0
