"""Words and numbers of the report; the whole of it is typeset in tests/workflow."""

import math

import pandas as pd
import pytest

from polyrepro import report
from polyrepro.analysis.claims_table import NUMBERS
from polyrepro.analysis.reference_folders import COMMITTED
from polyrepro.report.abstract import MOST_EFFECTS, abstract
from polyrepro.report.claim_values import judged_claims
from polyrepro.report.labels import (
    contrast_label,
    interval,
    number,
    seeds_text,
    signed,
    with_half_width,
)
from polyrepro.report.provenance_values import shortened
from polyrepro.report.summary import summary_markdown


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(-1.005, 1), "−1.0"),
        (number(math.nan, 2), "–"),
        (signed(0.4, 2), "+0.40"),
        (signed(-0.4, 2), "−0.40"),
        (signed(math.nan, 2), "–"),
        (interval(-0.2, 0.4, 2, shown=signed), "−0.20 to +0.40"),
        (interval(math.nan, math.nan, 2), "no interval"),
        (with_half_width(86.62, 87.08, 2), "86.62 ± 0.46"),
        (seeds_text(math.inf), "> 9999"),
        (seeds_text(12.0), "12"),
        (with_half_width(0.1, 0.3, 1, shown=signed), "+0.1 ± 0.2"),
    ],
)
def test_numbers(shown, expected):
    assert shown == expected


def test_contrast_in_words():
    labels = {"a_1": "first", "b": "second"}
    assert contrast_label("top1 (test): 2 a_1 - b", labels) == "2 first − second"
    assert contrast_label("top1 (test): 0", labels) == "the baseline itself was chosen"


def test_runs_are_counted_by_recipe():
    runs = ["kanji/a/seed0", "kanji/a/seed1", "kanji/b/seed0", "kanji_10/a/seed0"]
    assert shortened(runs) == "kanji (3 runs of 2 variants), kanji_10 (1 run of 1 variant)"


def test_a_value_that_is_missing_is_an_error_not_a_gap(tmp_path, monkeypatch):
    """Without provenance the templates must fail, and the text must name the key."""
    (tmp_path / "report.json").write_text("{}")
    monkeypatch.setattr("polyrepro.report.values.report_values", lambda plan: {"scale": "x"})

    class Plan:
        class settings:  # noqa: N801
            results = str(tmp_path)

    with pytest.raises(report.ReportError, match="does not contain key"):
        report.write_report(Plan)
    assert not (tmp_path / "report.pdf").exists()


def test_summary_says_that_it_is_about_an_analogue_and_counts_outcomes():
    claim = {
        "statement": "S",
        "outcome": "direction only",
        "published_status": "secondary",
        "gain": "–",
        "contrasts": [{"contrast": "a − b", "measured": "+1", "interval": "0 to 2", "n": 5}],
    }
    values = {
        "scale": "embedded",
        "analogue": True,
        "shortened": False,
        "seeds": 5,
        "confidence": "95",
        "provenance": {"runs": 1, "command": "snakemake", "missing": []},
        "abstract": {"counts": "One claim was judged: direction only.", "gains": "None is."},
        "not_run_count": 3,
        "claims": [claim],
    }
    text = summary_markdown(values)
    assert "small analogue" in text
    assert "| S | secondary | a − b: +1 (0 to 2, n = 5) | **direction only** |" in text
    assert "1 run, seeds per variant: 5. One claim was judged: direction only. 3 more" in text
    assert "direction only. 3 more were not run. None is." in text
    assert "small analogue" not in summary_markdown(values | {"analogue": False})
    assert "shorter than the paper's" not in text
    short = summary_markdown(values | {"analogue": False, "shortened": True})
    assert "trainings that are shorter than the paper's" in short
    verified = claim | {"gain": "+0.6", "published_status": "verified"}
    assert "| +0.6 (verified) |" in summary_markdown(values | {"claims": [verified]})


CONTRAST = {"contrast": "a − b", "measured": "+0.40", "interval": "+0.1 to +0.7"}
CONTRAST |= {"n": 10, "planned": 10, "unit": "top-1"}
CLAIM = {
    "study": "s",
    "title": "Long tail: few images",
    "published_status": "verified",
    "number": "C1",
    "outcome": "inconclusive",
    "gain": "–",
    "published": "yes",
}
CLAIM |= {"of_gain": True, "contrasts": [CONTRAST]}


def test_the_abstract_counts_outcomes_and_confirmed_gains():
    claims = [CLAIM, CLAIM, CLAIM | {"outcome": "reproduced"}]
    words = abstract(claims)
    assert words["counts"] == "Of 3 claims judged, 1 is reproduced and 2 are inconclusive."
    assert words["gains"] == "Of the 3 claims of a gain, 1 is confirmed."
    assert abstract(claims[:2])["gains"] == "Of the 2 claims of a gain, none is confirmed."
    assert abstract(claims[2:])["gains"] == "The only claim of a gain is confirmed."
    assert abstract(claims[2:])["counts"] == "One claim was judged: it is reproduced."
    assert abstract([CLAIM | {"of_gain": False}])["gains"] == ""
    assert abstract([])["counts"] == "No claim was judged."


def test_claims_without_runs_are_not_counted_as_judged():
    without = CLAIM | {"outcome": "not run"}
    words = abstract([CLAIM, without, without])
    assert words["counts"] == (
        "One claim was judged: it is inconclusive. "
        "For 2 more of the studies' claims runs are missing."
    )
    assert words["gains"] == "The only claim of a gain is not confirmed."
    assert abstract([without])["counts"].startswith("No claim was judged. For 1 more of")
    assert abstract([without])["gains"] == ""


def test_what_has_no_runs_has_a_name_in_words():
    rows = pd.read_csv(COMMITTED / "embedded/claims.csv", keep_default_na=False)
    rows = rows[(rows["claim"] == "poly1_gain") & (rows["contrast"] != "")]
    texts = ("top1 (test): @best_poly1 - cross_entropy", "top1 (test): poly1_e+2 - cross_entropy")
    shown = []
    for contrast in texts:
        row = rows.assign(contrast=contrast, number="C1", note="")
        row[list(NUMBERS)] = float("nan")
        (claim,) = judged_claims(row, {})
        shown.append(claim["contrasts"][0]["contrast"])
    assert shown == ["the chosen variant − CE", "Poly-1 (ε₁ = 2) − CE"]


def test_the_abstract_has_published_gains_and_one_effect_for_each_other_study():
    claims = [
        CLAIM | {"gain": "+0.6"},
        CLAIM | {"number": "C2"},
        CLAIM | {"number": "C3", "study": "t", "contrasts": [CONTRAST] * 2},
        CLAIM | {"number": "C4", "study": "ours", "published": ""},
        CLAIM | {"number": "C5", "study": "u", "contrasts": [CONTRAST | {"measured": "–"}]},
    ]
    words = "Long tail, top-1, a − b: +0.40 points"
    assert abstract(claims)["effects"] == [
        {"number": "C1", "text": f"{words} (+0.1 to +0.7; published +0.6)"},
        {"number": "C3", "text": f"{words} (+0.1 to +0.7)"},
    ]
    rerun = CLAIM | {"gain": "+0.0", "published_status": "re-run"}
    assert abstract([rerun])["effects"][0]["text"].endswith("; others found +0.0)")
    of_steps = CLAIM | {"contrasts": [CONTRAST | {"unit": "steps"}]}
    assert "Long tail, steps, a − b: +0.40 (" in abstract([of_steps])["effects"][0]["text"]
    many = [CLAIM | {"number": f"C{i}", "study": str(i)} for i in range(20)]
    many.append(CLAIM | {"number": "C20", "gain": "+0.4"})
    shown = [effect["number"] for effect in abstract(many)["effects"]]
    assert len(shown) == MOST_EFFECTS and shown[-1] == "C20", "a published gain is never left out"


def test_the_abstract_has_what_was_decided_once_for_each_study_and_outcome():
    decided = CLAIM | {"number": "C1", "outcome": "direction only", "gain": "+0.6"}
    half = CONTRAST | {"expected": "> 0.5", "unit": "share of the gradient"}
    claims = [
        decided,
        decided | {"number": "C2"},
        decided | {"number": "C3", "outcome": "not reproduced", "contrasts": [half]},
        CLAIM | {"number": "C4", "gain": "+0.4"},
    ]
    words = abstract(claims)
    assert [effect["number"] for effect in words["decided"]] == ["C1", "C3"]
    assert words["decided"][1]["text"].endswith("; expected > 0.5)")
    undecided = [effect["number"] for effect in words["effects"]]
    assert undecided[-1] == "C4" and not {"C1", "C3"} & set(undecided)
    excluded = [CLAIM | {"outcome": "published gain excluded"}] * 2
    assert "2 are refuted in size (the published gain is excluded)" in abstract(excluded)["counts"]


def test_claims_with_too_few_seeds_are_counted():
    few = CLAIM | {"contrasts": [CONTRAST, CONTRAST | {"n": 3}]}
    assert abstract([CLAIM])["few_seeds"] == ""
    assert abstract([CLAIM, few])["few_seeds"].startswith("Of 2 claims that were measured, 1 had")
    assert abstract([few, few])["few_seeds"].startswith("All 2 claims that were measured had")
