"""The table of claims from tables of metrics."""

import pandas as pd
import pytest
from small_studies import SMALL_STUDIES
from tidy_tables import full_table, metrics_table

from polyrepro.analysis.claims import evaluate_claims, verdict
from polyrepro.analysis.not_run import NO_STUDY
from polyrepro.analysis.outcomes import EQUIVALENT
from polyrepro.estimate import study_prices
from polyrepro.studies import STUDIES


def judged(table, claim, scale="embedded"):
    claims = evaluate_claims(table)
    rows = claims[(claims["claim"] == claim) & (claims["scale"] == scale)]
    return rows.reset_index(drop=True)


def test_claims_follow_the_numbers():
    """The same claim on runs where few terms lose, and on runs where they win."""
    for gain, outcome in ((-5.0, "direction only"), (5.0, "not reproduced")):
        table = full_table("truncation", {"truncated_n1": gain, "truncated_n2": gain})
        rows = judged(table, "few_terms_lose")
        assert rows["outcome"].tolist() == [outcome] * 2
        assert rows["measured"].tolist() == pytest.approx([gain] * 2, abs=0.2)
        assert rows["contrast"].tolist()[0] == "top1 (test): truncated_n1 - cross_entropy"


def test_a_claim_is_as_good_as_its_worst_contrast():
    table = full_table("truncation", {"truncated_n1": -5.0, "truncated_n2": 5.0})
    rows = judged(table, "few_terms_lose")
    assert rows["contrast_outcome"].tolist() == ["direction only", "not reproduced"]
    assert rows["outcome"].tolist() == ["not reproduced"] * 2


def test_the_smallest_number_of_terms_that_matches_is_named():
    lost = {f"truncated_n{n}": -6.0 / n for n in (1, 2, 3, 5, 10)}
    rows = judged(full_table("truncation", lost), "many_terms_match")
    assert set(rows["outcome"]) == {EQUIVALENT} and len(rows) == 8
    assert "holds down to truncated_n20 - cross_entropy" in rows["note"][0]


def test_equality_needs_the_margin_not_a_missing_difference():
    """Too much noise to tell anything is no equality."""
    rows = judged(full_table("mask_rcnn_epsilon", {}, noise=0.1), "mask_rcnn_box_ap")
    assert rows["outcome"][0] == EQUIVALENT and rows["margin"][0] == 0.5
    rows = judged(full_table("mask_rcnn_epsilon", {}, noise=1.0), "mask_rcnn_box_ap")
    assert rows["outcome"][0] == "inconclusive"


def test_the_seeds_that_choose_never_test():
    """The winner is best on seeds 0 to 4; what it does there is not in its claim."""
    table = full_table("epsilon_sweep", {})
    lucky = (table["variant"] == "poly1_e+3") & (table["seed"] < 5) & (table["epoch"] == 2)
    table.loc[lucky, "value"] += 5.0
    row = judged(table, "poly1_gain").iloc[0]
    assert row["contrast"] == "top1 (test): poly1_e+3 - cross_entropy"
    assert row["n"] == 5 and abs(row["measured"]) < 0.2


def test_what_is_best_on_the_testing_seeds_is_not_chosen():
    table = full_table("epsilon_sweep", {"poly1_e+1": 1.0})
    late = (table["variant"] == "poly1_e+3") & (table["seed"] >= 5) & (table["epoch"] == 2)
    table.loc[late, "value"] += 9.0
    assert "poly1_e+1" in judged(table, "poly1_gain")["contrast"][0]


def test_a_claim_about_a_selection_names_the_winner():
    rows = judged(full_table("poly_n", {"poly1_e+3": 2.0}), "first_coefficient_most")
    assert rows["contrast"][1] == "top1 (test): - poly1_e+3 + cross_entropy"
    assert rows["measured"].tolist() == pytest.approx([2.0, -2.0], abs=0.2)
    assert rows["outcome"][0] == "direction only"


def test_the_first_coefficient_brings_not_most_where_it_brings_nothing_or_less_than_the_next():
    loses = {f"poly1_e{e:+g}": -1.0 for e in (-1, 1, 2, 3)}
    for gains in (loses, {"poly2_e+1": 2.0}):
        rows = judged(full_table("poly_n", gains), "first_coefficient_most")
        assert rows["outcome"][0] == "not reproduced"


def test_fewer_seeds_than_planned_are_said():
    assert judged(full_table("truncation", {}, 4), "few_terms_lose")["note"][0] == (
        "4 of 10 planned seeds"
    )
    assert "planned" not in judged(full_table("truncation", {}, 10), "few_terms_lose")["note"][0]


def test_a_missing_seed_is_named():
    table = full_table("truncation", {})
    table = table[(table["variant"] != "truncated_n1") | ~table["seed"].isin([3, 7])]
    rows = judged(table, "few_terms_lose")
    assert "seeds 3, 7 of truncated_n1 missing" in rows["note"][0] and rows["n"][0] == 8
    assert "missing" not in rows["note"][1] and rows["n"][1] == 10


def test_a_missing_variant_is_named_and_its_claim_not_run():
    table = full_table("truncation", {})
    rows = judged(table[table["variant"] != "truncated_n1"], "few_terms_lose")
    assert rows["outcome"][0] == "not run" and "no runs of truncated_n1" in rows["note"][0]
    assert rows["command"][0] == "snakemake --cores 2 --config studies=truncation"
    assert rows["price"][0].endswith(" CPU-hours")


def test_beside_a_contrast_without_runs_nothing_is_decided():
    table = full_table("truncation", {"truncated_n2": -9.0})
    rows = judged(table[table["variant"] != "truncated_n1"], "few_terms_lose")
    assert rows["contrast_outcome"].tolist() == ["not run", "inconclusive"]
    assert rows["measured"][1] == pytest.approx(-9, abs=0.2)
    assert rows[["decisive_low", "decisive_high"]].isna().all(axis=None)


def test_without_the_reference_nothing_is_run():
    table = full_table("truncation", {})
    rows = judged(table[table["variant"] != "cross_entropy"], "few_terms_lose")
    assert rows["outcome"].tolist() == ["not run"] * 2
    assert "no runs of cross_entropy" in rows["note"][0]


def test_a_metric_that_runs_lack_is_named():
    table = full_table("truncation", {})
    accuracy_of_it = (table["variant"] == "cross_entropy") & (table["split"] == "test")
    rows = judged(table[~accuracy_of_it], "few_terms_lose")
    assert rows["outcome"].tolist() == ["not run"] * 2
    assert "no top1 (test) of cross_entropy" in rows["note"][0]


@pytest.mark.parametrize("scale", ["embedded", "embedded, overridden"])
@pytest.mark.parametrize(("terms", "contrasts"), [(1, 1), (5, 0)])
def test_contrasts_that_a_scale_does_not_run_do_not_count(monkeypatch, scale, terms, contrasts):
    """Without any the claim is not judged there, and listed at the paper's scale, which runs it."""
    study, names = SMALL_STUDIES["truncation"], ("cross_entropy", f"truncated_n{terms}")
    few = study.model_copy(update={"restricted": {**study.restricted, "embedded": names}})
    monkeypatch.setitem(STUDIES, study.name, few)
    table = full_table("truncation", {"truncated_n1": -5.0}).assign(scale=scale)
    table = table[table["variant"].isin(names)]
    rows = judged(table, "few_terms_lose", scale)
    assert rows["outcome"].tolist() == ["direction only"] * contrasts
    assert judged(table, "few_terms_lose", "paper")["outcome"].tolist() == ["not run"]


def test_differences_that_rounding_hides_are_no_equality():
    """The same values of both losses: without decimals they may differ by half a point."""
    for decimals, outcome, words in (
        (0, "inconclusive", "all differences are zero, of values in steps of 1"),
        (3, EQUIVALENT, "all differences are zero"),
    ):
        values = [round(41.234 + 1.717 * seed, decimals) for seed in range(5)]
        same = {"cross_entropy": values, "poly1_e-1": values}
        table = metrics_table(same, "mask_rcnn_epsilon", "box_ap")
        row = judged(table, "mask_rcnn_box_ap").iloc[0]
        assert row["outcome"] == outcome and words in row["note"]


def test_a_contrast_of_several_has_no_published_gain_of_its_own(monkeypatch):
    study = SMALL_STUDIES["truncation"]
    few = study.claims[0].model_copy(update={"published": "imagenet1k_gain"})
    changed = study.model_copy(update={"claims": (few,)})
    monkeypatch.setitem(STUDIES, study.name, changed)
    table = full_table("truncation", {}, noise=1e-3, scale="paper")
    rows = judged(table, "few_terms_lose", "paper")
    assert set(rows["contrast_outcome"]) <= {"inconclusive", "direction only", "not reproduced"}


def test_a_single_seed_chooses_and_leaves_none_to_test():
    rows = judged(full_table("epsilon_sweep", {}, 1), "poly1_gain")
    assert rows["outcome"][0] == "not run"
    assert "the only seed chose; none is left to test" in rows["note"][0]


def test_where_all_seeds_choose_none_is_left_to_test(monkeypatch):
    study = SMALL_STUDIES["epsilon_sweep"].model_copy(update={"selection_seeds": 5})
    monkeypatch.setitem(STUDIES, study.name, study)
    rows = judged(full_table("epsilon_sweep", {}, 5), "poly1_gain")
    assert rows["outcome"][0] == "not run"
    assert "all 5 seeds chose; none is left to test" in rows["note"][0]


def test_a_collapsed_run_is_counted_and_hides_no_effect():
    table = full_table("truncation", {"truncated_n1": -5.0, "truncated_n2": -5.0})
    lost = (table["variant"] == "cross_entropy") & (table["seed"] == 0) & (table["epoch"] == 2)
    table.loc[lost, "value"] = 10.0
    rows = judged(table, "few_terms_lose")
    assert rows["collapsed"].tolist() == [1, 1]
    assert "1 of 10 runs of cross_entropy collapsed" in rows["note"][0]
    assert rows["outcome"][0] == "direction only"
    assert rows["measured"][0] == pytest.approx(-5, abs=0.2)


def test_the_share_of_the_leading_term_is_the_median_over_training_for_both_ways_of_weighing():
    others = full_table("epsilon_sweep", {})
    times = []
    for metric, shift in (("leading_share", 0.0), ("leading_share_weighted", -0.3)):
        share = metrics_table({"cross_entropy": [0.0] * 3}, metric=metric, split="train")
        first = share[share["epoch"] == 1]
        for epoch, value in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.7), (0.8, 0.8), (1.0, 0.1)):
            values = value + shift + first["seed"] / 1000
            times.append(first.assign(epoch=epoch, value=values))
    claims = evaluate_claims(pd.concat([others, *times])).set_index("claim")
    claims = claims[claims["scale"] == "embedded"]
    assert claims.loc["leading_term_majority", "measured"] == pytest.approx(0.651)
    assert claims.loc["leading_term_majority", "outcome"] == "direction only"
    assert claims.loc["leading_term_majority_summed", "measured"] == pytest.approx(0.351)
    assert claims.loc["leading_term_majority_summed", "outcome"] == "not reproduced"


def test_only_the_papers_scale_can_be_reproduced_and_elsewhere_the_verdict_says_so():
    gains = {"poly1_e-1": 2.4}
    outcomes = {}
    for scale in ("embedded", "paper", "paper, overridden"):
        table = full_table("mask_rcnn_epsilon", gains, noise=0.3).assign(scale=scale)
        row = judged(table, "mask_rcnn_box_ar", scale).iloc[0]
        outcomes[scale] = (row["outcome"], row["verdict"])
    assert outcomes["paper"] == ("reproduced", "reproduced")
    for scale in ("embedded", "paper, overridden"):
        outcome, words = outcomes[scale]
        assert outcome == "direction only" and "on a small analogue" in words
    assert verdict("not run", "embedded") == "not run"
    assert "do not claim the paper's data" in verdict("inconclusive", "elsewhere")


def test_seeds_needed_grow_as_effects_shrink():
    row = judged(full_table("mask_rcnn_epsilon", {"poly1_e-1": 0.5}), "mask_rcnn_box_ar").iloc[0]
    assert 2 <= row["seeds_for_published"] < row["seeds_for_measured"]


def test_all_claims_are_listed_with_the_command_that_runs_them():
    claims = evaluate_claims(full_table("truncation", {}))
    every = {claim.name for study in STUDIES.values() for claim in study.claims}
    assert every <= set(claims["claim"])
    waiting = claims[claims["outcome"] == "not run"].set_index(["claim", "scale"])
    assert waiting.loc[("own_gain", "embedded"), "command"] == (
        "snakemake --cores 2 --config studies=question_of_our_own"
    )
    assert waiting.loc[("own_gain", "embedded"), "published"] == ""
    assert waiting.loc[("finetuning_l_gain", "paper"), "command"] == (
        "snakemake --configfile config/paper.yaml --config studies=finetuning_l"
    )
    assert waiting.loc[("few_terms_lose", "paper"), "published_status"] == "secondary"
    assert (
        waiting.loc[("finetuning_l_gain", "paper"), "price"]
        == study_prices("paper")["finetuning_l"]
    )
    assert not waiting.index.duplicated().any()


def test_waymo_is_listed_as_not_run():
    claims = evaluate_claims(full_table("truncation", {}))
    waymo = claims[claims["published"].str.contains("RSN")]
    assert waymo["published_gain"].tolist() == pytest.approx([0.5, 0.8])
    assert set(waymo["outcome"]) == {"not run"}
    assert set(waymo["note"]) == {
        f"{NO_STUDY}; RSN has no public implementation to validate one against; "
        "the study range_segmentation tries its first stage on drawn scenes"
    }


def test_the_papers_own_scale_is_not_listed_twice():
    table = full_table("finetuning_l", {}, scale="paper")
    claims = evaluate_claims(table)
    assert (claims["claim"] == "finetuning_l_gain").sum() == 1
    assert claims.set_index("claim").loc["mask_rcnn_box_ar", "outcome"] == "not run"


def test_claims_that_were_judged_have_no_command_and_unknown_prices_are_empty():
    claims = evaluate_claims(full_table("truncation", {})).set_index(["claim", "scale"])
    assert claims.loc[("few_terms_lose", "embedded"), "command"].tolist() == ["", ""]
    assert claims.loc[("few_terms_lose", "embedded"), "price"].tolist() == ["", ""]
    assert claims.loc[("mask_rcnn_box_ar", "embedded"), "command"] != ""
    assert claims.loc[("mask_rcnn_box_ar", "embedded"), "price"] == ""


def test_a_claim_is_listed_where_it_can_be_decided_and_only_there(monkeypatch):
    """Not at the paper's scale if that runs none of its variants; and never nowhere."""
    study = SMALL_STUDIES["mask_rcnn_epsilon"]
    only = {"paper": ("cross_entropy",)}
    monkeypatch.setitem(STUDIES, study.name, study.model_copy(update={"restricted": only}))
    for table in (full_table("truncation", {}), full_table("finetuning_l", {}, scale="paper")):
        claims = evaluate_claims(table)
        rows = claims[claims["claim"] == "mask_rcnn_box_ar"]
        assert rows["scale"].tolist() == ["embedded"] and rows["outcome"].tolist() == ["not run"]
