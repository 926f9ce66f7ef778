"""Statistics and verdicts against values worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from polyrepro.analysis.claims import contrast_outcome, evaluate_claims, verdict
from polyrepro.analysis.selection import select, winners
from polyrepro.analysis.statistics import Estimate, estimate, summarise
from polyrepro.studies import STUDIES
from polyrepro.studies.study import Contrast, Selection, Study
from polyrepro.variants import Variant


def metrics_table(values, study="epsilon_sweep", metric="top1", split="test", epochs=(1, 2)):
    """A tidy table with `values[variant]`, one per seed, at the last epoch and 0 before it."""
    rows = [
        {
            "study": study,
            "scale": "embedded",
            "recipe": "fashion_mnist",
            "variant": variant,
            "seed": seed,
            "dataset": "fashion_mnist",
            "model": "polyrepro_convnet",
            "label": variant,
            "series": "PolySeries",
            "epsilon": "",
            "terms": pd.NA,
            "gamma": 0.0,
            "learning_rate": 0.1,
            "metric": metric,
            "split": split,
            "epoch": epoch,
            "value": value if epoch == max(epochs) else 0.0,
            "run": f"fashion_mnist/{variant}/seed{seed}",
        }
        for variant, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
        for epoch in epochs
    ]
    return pd.DataFrame(rows)


def test_t_interval_by_hand():
    result = estimate([1.0, 2.0, 3.0])
    # t quantile 4.302653 for two degrees of freedom, standard deviation 1.
    half = 4.302653 / math.sqrt(3)
    assert (result.n, result.mean, result.sd) == (3, 2.0, 1.0)
    assert (result.low, result.high) == pytest.approx((2 - half, 2 + half), rel=1e-6)


def test_one_seed_has_a_mean_and_no_interval():
    result = estimate([5.0])
    assert result.mean == 5.0 and math.isnan(result.low) and math.isnan(result.sd)


def test_differences_are_paired_by_seed():
    """Seeds differ by ten points, the variants by exactly one: pairing removes the seeds."""
    validation = metrics_table(
        {"cross_entropy": [1.0] * 3, "poly1_e+1": [2.0] * 3}, split="validation"
    )
    test = metrics_table({"cross_entropy": [60.0, 70.0, 80.0], "poly1_e+1": [61.5, 71.0, 80.5]})
    candidates = [v.name for v in STUDIES["epsilon_sweep"].variants if v.name != "poly1_e+1"]
    others = {name: [0.0] * 3 for name in candidates if name != "cross_entropy"}
    rest = metrics_table(others, split="validation")
    table = summarise(pd.concat([validation, test, rest]))
    row = table[(table["variant"] == "poly1_e+1") & (table["split"] == "test")].iloc[0]
    assert row["difference"] == pytest.approx(1.0)
    half = 4.302653 * 0.5 / math.sqrt(3)
    assert row["difference_low"] == pytest.approx(1 - half, rel=1e-6)
    assert row["p_value"] == pytest.approx(0.0741799, rel=1e-4)
    assert row["selected"] == "best_poly1"
    assert row["high"] - row["low"] > 20


def study_with(*selections):
    """A study with the variants a, b and c beside the reference, and these selections."""
    named = [Variant(name=name) for name in ("cross_entropy", "a", "b", "c")]
    empty = {"title": "", "question": "", "recipes": {}}
    return Study(name="epsilon_sweep", variants=tuple(named), selections=selections, **empty)


def test_selection_looks_at_validation_only_and_ties_keep_the_order_of_the_grid():
    selection = Selection(name="s", candidates=("a", "b", "c"))
    validation = metrics_table(
        {"a": [1.0, 1.0], "b": [3.0, 1.0], "c": [2.0, 2.0]}, split="validation"
    )
    test = metrics_table({"a": [9.0, 9.0], "b": [0.0, 0.0], "c": [0.0, 0.0]})
    scores = select(pd.concat([validation, test]), study_with(selection), selection)
    assert scores.index.tolist() == ["b", "c", "a"] and scores["b"] == 2.0


def test_the_winner_of_the_previous_selection_stays_a_candidate():
    first = Selection(name="first", candidates=("a",))
    second = Selection(name="second", candidates=("b",), previous="first")
    table = metrics_table({"a": [2.0], "b": [1.0]}, split="validation")
    assert winners(table, study_with(first, second)) == {"first": "a", "second": "a"}


NO_NUMBER = pd.Series({"status": "secondary", "gain": math.nan})
VERIFIED = pd.Series({"status": "verified", "gain": 0.4})
UNVERIFIED = pd.Series({"status": "unverified", "gain": 0.4})


@pytest.mark.parametrize(
    ("low", "high", "sign", "published", "scale", "expected"),
    [
        (0.1, 0.7, 1, VERIFIED, "paper", "reproduced"),
        (0.1, 0.7, 1, VERIFIED, "embedded", "direction only"),
        (0.1, 0.7, 1, VERIFIED, "paper, overridden", "direction only"),
        (0.1, 0.7, 1, UNVERIFIED, "paper", "direction only"),
        (0.1, 0.7, 1, NO_NUMBER, "paper", "direction only"),
        (0.5, 0.9, 1, VERIFIED, "paper", "direction only"),
        (-0.1, 0.9, 1, VERIFIED, "paper", "inconclusive"),
        (-0.9, -0.1, 1, VERIFIED, "paper", "not reproduced"),
        (-0.9, -0.1, -1, NO_NUMBER, "embedded", "direction only"),
        (0.1, 0.9, -1, NO_NUMBER, "embedded", "not reproduced"),
    ],
)
def test_outcomes(low, high, sign, published, scale, expected):
    contrast = Contrast(weights={"a": 1, "b": -1}, metric="top1", sign=sign)
    measured = Estimate(3, (low + high) / 2, 1.0, low, high)
    assert contrast_outcome(contrast, measured, published, scale) == expected


def test_one_seed_is_inconclusive_and_none_is_not_run():
    contrast = Contrast(weights={"a": 1, "b": -1}, metric="top1")
    assert contrast_outcome(contrast, estimate([3.0]), VERIFIED, "paper") == "inconclusive"
    nothing = Estimate(0, *4 * (math.nan,))
    assert contrast_outcome(contrast, nothing, VERIFIED, "paper") == "not run"


def test_away_from_the_paper_a_verdict_says_so():
    assert verdict("reproduced", "paper") == "reproduced"
    words = verdict("direction only", "embedded")
    assert "on a small analogue" in words and words.startswith("direction only")


def full_table(study, gains, rng):
    """Both splits of a study with a given gain over cross-entropy per variant, and small noise."""
    names = [variant.name for variant in STUDIES[study].variants]
    seeds = rng.normal(80, 2, 5)
    values = {name: seeds + gains.get(name, 0.0) + rng.normal(0, 0.05, 5) for name in names}
    return pd.concat([metrics_table(values, study, split=s) for s in ("validation", "test")])


def test_claims_follow_the_numbers():
    """The same claims on runs where few terms lose, and on runs where they win."""
    for gain, outcome in ((-5.0, "direction only"), (5.0, "not reproduced")):
        gains = {"truncated_n1": gain, "truncated_n2": gain}
        claims = evaluate_claims(full_table("truncation", gains, np.random.default_rng(0)))
        assert claims["outcome"].tolist() == [outcome] * 2
        assert claims["measured"].tolist() == pytest.approx([gain] * 2, abs=0.2)
        assert claims["contrast"].tolist()[0] == "top1 (test): truncated_n1 - cross_entropy"


def test_a_claim_is_as_good_as_its_worst_contrast():
    gains = {"truncated_n1": -5.0, "truncated_n2": 5.0}
    claims = evaluate_claims(full_table("truncation", gains, np.random.default_rng(0)))
    assert claims["contrast_outcome"].tolist() == ["direction only", "not reproduced"]
    assert claims["outcome"].tolist() == ["not reproduced"] * 2


def test_a_claim_about_a_selection_names_the_winner():
    gains = {"poly1_e+3": 2.0}
    table = full_table("poly_n", gains, np.random.default_rng(0))
    claims = evaluate_claims(table).set_index("claim")
    most = claims.loc["first_coefficient_most"]
    assert most["contrast"] == "top1 (test): 2 poly1_e+3 - cross_entropy - poly1_e+3"
    assert most["measured"] == pytest.approx(2.0, abs=0.2)


def test_share_of_training_counts_recorded_times_above_one_half():
    table = metrics_table({v.name: [0.0] for v in STUDIES["epsilon_sweep"].variants}, split="test")
    validation = table.assign(split="validation")
    share = metrics_table({"cross_entropy": [0.0, 0.0]}, metric="leading_share", split="train")
    times = pd.concat(
        share.query("epoch == 1").assign(epoch=epoch, value=value)
        for epoch, value in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.7), (0.8, 0.8), (1.0, 0.1))
    )
    claims = evaluate_claims(pd.concat([table, validation, times])).set_index("claim")
    assert claims.loc["leading_term_majority", "measured"] == pytest.approx(0.75)
