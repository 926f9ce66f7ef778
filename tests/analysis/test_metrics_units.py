"""The unit of a table's metrics: what is in fractions, or cannot be, is refused."""

import pandas as pd
import pytest
from tidy_tables import ESSENTIAL, end_of, full_table, metrics_table, written

from polyrepro.analysis.metrics_checks import MetricsError
from polyrepro.analysis.metrics_table import read_metrics
from polyrepro.cli import main


def test_a_share_above_one_is_refused_unless_other_terms_count_against_the_first(table, tmp_path):
    shares = table.assign(metric="leading_share", value=table["value"] / 100)
    shares.loc[4, "value"] = 1.7
    with pytest.raises(MetricsError, match=r"row 6, column value: leading_share is 1\.7, outside"):
        read_metrics(written(shares, tmp_path / "metrics.csv"))
    shares.loc[shares["variant"] == shares["variant"][4], "series"] = "PowerTerm"
    read_metrics(written(shares, tmp_path / "metrics.csv"))


def test_a_probability_above_one_is_refused(table, tmp_path):
    probabilities = table.assign(metric="mean_pt", value=table["value"] / 100)
    read_metrics(written(probabilities, tmp_path / "sound.csv"))
    probabilities.loc[4, "value"] = 76.7
    with pytest.raises(
        MetricsError, match=r"row 6, column value: mean_pt is 76\.7, outside 0 to 1"
    ):
        read_metrics(written(probabilities, tmp_path / "damaged.csv"))


def test_a_variant_in_fractions_throughout_is_named(table, tmp_path):
    """Half of the table: neither unit is the usual one."""
    pair = table[table["variant"].isin(["cross_entropy", "truncated_n1"])].reset_index(drop=True)
    of_one = pair["variant"] == "truncated_n1"
    mixed = pair.assign(value=pair["value"].where(~of_one, pair["value"] / 100))
    with pytest.raises(MetricsError, match="where other runs have about 8"):
        read_metrics(written(mixed, tmp_path / "metrics.csv"))


def test_a_collapsed_run_is_no_error_of_units(table, tmp_path):
    """With a thousand classes guessing gives 0.1 %, and others may be at 10 % after one epoch."""
    low = table.assign(value=10.0, chance=0.1)
    low.loc[end_of(low, "truncated_n5"), "value"] = 0.1
    assert len(read_metrics(written(low, tmp_path / "metrics.csv"))) == len(table)


def test_fractions_throughout_are_refused_by_all_commands(tmp_path):
    whole, others = full_table("truncation", {}), full_table("poly_n", {})[ESSENTIAL]
    few = whole[ESSENTIAL]
    for number, made in enumerate((whole, few, pd.concat([few, others], ignore_index=True))):
        fractions = made["value"].where(made["study"] != "truncation", made["value"] / 100)
        path = str(written(made.assign(value=fractions), tmp_path / f"my{number}.csv"))
        for words in (["compare", "--metrics", path], ["claims", path, "--output", f"{path}.csv"]):
            with pytest.raises(SystemExit, match="never above 1: fractions; multiply by 100"):
                main(words)


@pytest.mark.parametrize("metric", ["vehicle_ap_l1", "ap40_moderate", "car_bev_ap40_hard"])
def test_precision_of_boxes_in_point_clouds_has_the_unit_of_others(tmp_path, metric):
    values = {"cross_entropy": [31.0, 32.0], "poly1_e-1": [30.0, 29.0]}
    table = metrics_table(values, "mask_rcnn_epsilon", metric, epochs=(2,))
    read_metrics(written(table, tmp_path / "sound.csv"))
    table.loc[2, "value"] = 0.3
    with pytest.raises(MetricsError, match=r"row 4, column value: .* a fraction among percents"):
        read_metrics(written(table, tmp_path / "mixed.csv"))
    table.loc[2, "value"] = 130.0
    with pytest.raises(MetricsError, match=r"row 4, .* is 130, outside 0 to 100"):
        read_metrics(written(table, tmp_path / "outside.csv"))


def test_a_study_that_learns_nothing_is_not_taken_for_fractions(tmp_path):
    """Guessing among a thousand classes, a mean P_t as low, and a trial of one epoch."""
    low = metrics_table({"cross_entropy": [0.15, 0.1], "truncated_n10": [0.1, 0.1]}, "truncation")
    read_metrics(written(low.assign(chance=0.1), tmp_path / "guessing.csv"))
    values = {"cross_entropy": [0.8, 0.9], "truncated_n10": [0.7, 0.6]}
    little = metrics_table(values, "truncation").assign(chance=0.1)
    probability = little.assign(metric="mean_pt", value=little["value"] / 100)
    read_metrics(written(pd.concat([little, probability]), tmp_path / "little.csv"))
    trial = little.assign(scale="embedded, overridden")
    read_metrics(written(trial, tmp_path / "trial.csv"))
    with pytest.raises(MetricsError, match=r"top1 of truncation is 0\.8 and never above 1"):
        read_metrics(written(little, tmp_path / "fractions.csv"))


def test_a_loss_that_learns_next_to_nothing_is_no_fraction(tmp_path):
    """Ten terms of the series with a thousand classes: half a percent beside sixty."""
    values = {"cross_entropy": [60.0, 61.0, 60.5], "truncated_n10": [0.475, 0.5, 1.04]}
    table = metrics_table(values, study="truncation").assign(chance=0.1)
    read = read_metrics(written(table, tmp_path / "metrics.csv"))
    assert len(read) == len(table)


def test_a_run_that_hardly_learns_beside_others_of_its_loss_is_known_by_its_probabilities(tmp_path):
    """A learning rate of ten times the usual one: a seed ends at half a percent, others at ten."""
    accuracy = {"cross_entropy": [40.0, 41.0, 40.5], "truncated_n10": [0.485, 10.2, 9.8]}
    probability = {name: [0.2, 0.2, 0.2] for name in accuracy}
    probability["truncated_n10"] = [0.0017, 0.05, 0.05]
    parts = [
        metrics_table(values, study="truncation", metric=metric)
        for values, metric in ((accuracy, "top1"), (probability, "mean_pt"))
    ]
    table = pd.concat(parts).assign(chance=0.1)
    assert len(read_metrics(written(table, tmp_path / "metrics.csv"))) == len(table)
    fraction = table.replace({"value": {0.0017: 0.2}})
    with pytest.raises(MetricsError, match=r"top1 is 0\.485 .* a fraction among percents"):
        read_metrics(written(fraction, tmp_path / "fraction.csv"))


def test_calibration_errors_near_zero_are_no_fractions(tmp_path):
    values = {"cross_entropy": [6.0, 6.2, 6.1], "truncated_n10": [0.05, 0.06, 0.07]}
    table = metrics_table(values, study="truncation", metric="ece_scaled")
    read_metrics(written(table, tmp_path / "metrics.csv"))


def detector(**metrics):
    """Two runs each of two variants."""
    names = ("cross_entropy", "poly1_e-1")
    parts = [
        metrics_table(dict(zip(names, values, strict=True)), "mask_rcnn_epsilon", metric)
        for metric, values in metrics.items()
    ]
    return pd.concat(parts, ignore_index=True).query("epoch == 2").reset_index(drop=True)


def test_precision_above_recall_is_refused(tmp_path):
    recall = [[40.0, 41.0], [42.0, 43.0]]
    sound = detector(box_ap=[[20.0, 21.0], [19.0, 18.0]], box_ar100=recall)
    read_metrics(written(sound, tmp_path / "sound.csv"))
    names = {"box_ap": "box_ar100", "box_ar100": "box_ap"}
    swapped = sound["metric"].map(names).where(sound["variant"] == "poly1_e-1", sound["metric"])
    with pytest.raises(MetricsError, match="row 8, column value: box_ap is 42, above the box_ar1"):
        read_metrics(written(sound.assign(metric=swapped), tmp_path / "swapped.csv"))


def test_minus_one_means_nothing_to_measure_only_if_it_does_in_all_runs(tmp_path):
    table = detector(box_ap=[[20.0, 21.0], [19.0, 18.0]], box_ap_small=[[-1.0, -1.0], [-1.0, -1.0]])
    read_metrics(written(table, tmp_path / "no_small_objects.csv"))
    table.loc[2, "value"] = -1.0
    with pytest.raises(MetricsError, match="row 4, column value: box_ap is -1, outside 0 to 100"):
        read_metrics(written(table, tmp_path / "one_run.csv"))
