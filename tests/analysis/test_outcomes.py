"""From estimates to outcomes, for every kind of claim."""

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from polyrepro.analysis.inference import estimate_means, holm
from polyrepro.analysis.outcomes import (
    EQUIVALENT,
    OUTCOMES,
    contrast_levels,
    contrast_outcomes,
    judge,
)
from polyrepro.analysis.questions import Evidence, questions
from polyrepro.studies.claim import Claim, Contrast, against_reference, equals_reference

NOISE = np.array([-1.2, -0.5, 0.1, 0.4, 1.2]) * 0.1
"""Five differences with mean zero and a standard deviation of 0.09."""


def evidence(*means, contrasts, step_down=False, **rest):
    claim = Claim(name="c", statement="", quantity="", contrasts=contrasts, step_down=step_down)
    estimates = tuple(estimate_means(mean + NOISE) for mean in means)
    return Evidence(claim, contrasts, estimates, **rest)


def outcome(*arguments, **keywords):
    return str(judge([evidence(*arguments, **keywords)])[0].outcome)


GAIN = (against_reference("a"),)
LOSS = (against_reference("a", sign=-1),)
GAIN_OR_EQUAL = (against_reference("a", margin=0.3),)
EQUAL = (equals_reference("a", "top1", 0.3),)
AT_MOST = (Contrast(weights={"a": 1, "b": -1}, metric="top1", kind="at_most", margin=0.3),)
PAPER = {"gain": 0.4, "paper_scale": True}


@pytest.mark.parametrize(
    ("mean", "contrasts", "rest", "expected"),
    [
        (0.4, GAIN, PAPER, "reproduced"),
        (0.4, GAIN, {"gain": 0.4}, "direction only"),
        (0.4, GAIN, {"paper_scale": True}, "direction only"),
        (0.9, GAIN, PAPER, "direction only"),
        (0.2, GAIN, PAPER, "direction only"),
        (0.1, GAIN, PAPER, "published gain excluded"),
        (0.1, GAIN, {}, "inconclusive"),
        (0.1, GAIN_OR_EQUAL, PAPER, EQUIVALENT),
        (-0.5, GAIN, PAPER, "not reproduced"),
        (-0.5, LOSS, {}, "direction only"),
        (0.5, LOSS, {}, "not reproduced"),
        (0.1, EQUAL, {}, EQUIVALENT),
        (0.5, EQUAL, {}, "not reproduced"),
        (-0.5, EQUAL, {}, "not reproduced"),
        (0.25, EQUAL, {}, "inconclusive"),
        (0.1, AT_MOST, {}, "direction only"),
        (-3.0, AT_MOST, {}, "direction only"),
        (0.6, AT_MOST, {}, "not reproduced"),
        (0.25, AT_MOST, {}, "inconclusive"),
    ],
)
def test_outcomes(mean, contrasts, rest, expected):
    assert outcome(mean, contrasts=contrasts, **rest) == expected


def test_all_contrasts_must_hold_and_one_that_fails_is_enough():
    two = (against_reference("a"), against_reference("b"))
    assert outcome(0.5, 0.5, contrasts=two) == "direction only"
    assert outcome(0.5, 0.05, contrasts=two) == "inconclusive"
    assert outcome(0.5, -0.5, contrasts=two) == "not reproduced"


def test_a_failure_among_several_contrasts_is_corrected_for_their_number():
    one, two = evidence(-0.1, contrasts=GAIN), evidence(-0.1, 0.5, contrasts=GAIN * 2)
    assert questions(two)["direction"] == pytest.approx(2 * questions(one)["direction"])


def test_each_of_several_contrasts_is_corrected_for_their_number_unless_all_hold():
    """Its p value lies between the level and half of it."""
    single = evidence(0.152, contrasts=GAIN)
    assert 0.0125 < questions(single)["direction"] < 0.025
    assert contrast_outcomes(single, judge([single])[0]) == ["direction only"]
    undecided = evidence(0.152, 0.0, contrasts=GAIN * 2)
    judged = judge([undecided])[0]
    assert judged.outcome == "inconclusive"
    assert contrast_outcomes(undecided, judged) == ["inconclusive"] * 2
    assert contrast_levels(undecided, judged) == pytest.approx(judged.levels / 2)
    confirmed = evidence(0.152, 0.5, contrasts=GAIN * 2)
    judged = judge([confirmed])[0]
    assert judged.outcome == "direction only"
    assert contrast_outcomes(confirmed, judged) == ["direction only"] * 2
    assert contrast_levels(confirmed, judged) == pytest.approx(judged.levels)


def test_contrasts_keep_their_share_of_the_level_when_their_claims_are_decided():
    report = [evidence(-9.0, 0.0, contrasts=GAIN * 2)] * 4
    judged = judge(report)
    assert {str(one.outcome) for one in judged} == {"not reproduced"}
    for one, judgement in zip(report, judged, strict=True):
        assert contrast_levels(one, judgement) == pytest.approx(0.05 / 4 / 2)
        assert contrast_outcomes(one, judgement) == ["not reproduced", "inconclusive"]


def test_a_claim_that_is_equal_as_a_whole_says_no_direction_of_its_contrasts():
    two = evidence(0.3, 0.0, contrasts=(against_reference("a", margin=0.5),) * 2)
    judged = judge([two])[0]
    assert judged.outcome == EQUIVALENT
    assert two.estimates[0].interval(1 - contrast_levels(two, judged)[0])[0] > 0
    assert contrast_outcomes(two, judged) == [EQUIVALENT] * 2


def test_single_contrasts_are_rarely_called_something_that_they_are_not():
    """Many claims fail by one contrast each; or all their contrasts are equal."""
    random, reports, count = np.random.default_rng(0), 1000, 6
    for first, margin, seeds in ((-9.0, None, 5), (0.0, 0.5, 60)):
        contrasts = (against_reference("a", margin=margin),) * count
        claim = Claim(name="c", statement="", quantity="", contrasts=contrasts)
        means = [first] + [0.0] * (count - 1)
        report = [
            Evidence(
                claim,
                contrasts,
                tuple(estimate_means(random.normal(mean, 0.4, (reports, seeds))) for mean in means),
            )
            for _ in range(6)
        ]
        wrong = np.zeros(reports, dtype=bool)
        for one, judgement in zip(report, judge(report), strict=True):
            null = contrast_outcomes(one, judgement)[1:]
            wrong |= np.isin(null, ["direction only", "not reproduced"]).any(axis=0)
        assert wrong.mean() <= 0.05 + 2 * (0.05 * 0.95 / reports) ** 0.5


def test_equivalence_is_that_of_two_one_sided_tests():
    p = DescrStatsW(0.1 + NOISE).ttost_mean(-0.3, 0.3)[0]
    assert questions(evidence(0.1, contrasts=EQUAL))["direction"] == pytest.approx(2 * p)


def test_steps_count_only_as_far_as_all_before_them_hold():
    steps = EQUAL * 4
    judged = judge([evidence(0.0, 0.05, 0.9, 0.0, contrasts=steps, step_down=True)])[0]
    assert judged.outcome == EQUIVALENT and judged.steps == 2
    judged = judge([evidence(0.9, 0.0, 0.0, 0.0, contrasts=steps, step_down=True)])[0]
    assert judged.outcome == "not reproduced" and judged.steps == 0


def test_each_step_is_compared_at_its_own_level():
    """The interval that decides a step then lies within the margin exactly if the step holds."""
    means = (0.0, 0.03, 0.06, 0.25, 0.25)
    steps = evidence(*means, contrasts=EQUAL * 5, step_down=True)
    judged = judge([steps, *[evidence(0.0, contrasts=GAIN)] * 5])[0]
    inside = [
        e.interval(1 - level)[1] < 0.3
        for e, level in zip(steps.estimates, judged.levels, strict=True)
    ]
    assert 1 < judged.steps < 5 and sum(inside) == judged.steps
    assert judged.levels[0] < judged.levels[judged.steps - 1]


def test_a_published_gain_is_excluded_of_one_gain_only():
    """An equality, or several contrasts, have no single gain that could be smaller."""
    assert set(questions(evidence(0.1, contrasts=EQUAL, **PAPER))) == {"direction"}
    assert "gain" not in questions(evidence(0.1, 0.1, contrasts=GAIN * 2, **PAPER))
    assert set(questions(evidence(0.1, contrasts=GAIN, **PAPER))) == {"direction", "gain"}
    assert outcome(0.25, contrasts=EQUAL, **PAPER) == "inconclusive"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], "not run"),
        ([5.0], "inconclusive"),
        ([5.0, 5.0], "inconclusive"),
        ([5.0, 5.0, 5.0], "inconclusive"),
        ([5.0, 5.1], "direction only"),
        ([-5.0, -5.1], "not reproduced"),
        ([0.1, -0.1], "inconclusive"),
        ([0.0, 0.0], "inconclusive"),
        ([0.0, 0.0, 0.0], EQUIVALENT),
        ([np.nan, 5.0, 5.1], "inconclusive"),
    ],
)
def test_very_few_seeds_no_noise_and_no_number(values, expected):
    claim = Claim(name="c", statement="", quantity="", contrasts=GAIN_OR_EQUAL)
    one = Evidence(claim, GAIN_OR_EQUAL, (estimate_means(values),))
    assert judge([one])[0].outcome == expected


def test_claims_with_the_same_p_value_get_the_same_verdict():
    for mean in (0.14, 0.3):
        judged = judge([evidence(mean, contrasts=GAIN)] * 3)
        assert len({str(one.outcome) for one in judged}) == 1
        assert judged[0].p_holm == pytest.approx(3 * judged[0].p)


def test_a_claim_that_was_not_measured_weakens_no_other_and_has_no_level():
    alone, missing = evidence(0.14, contrasts=GAIN), evidence(0.14, 0.14, contrasts=GAIN * 2)
    missing = replace(missing, estimates=(missing.estimates[0], estimate_means([])))
    judged = judge([alone, missing])
    assert [str(one.outcome) for one in judged] == ["direction only", "not run"]
    assert judged[0].p_holm == judged[0].p and np.isnan(judged[1].levels).all()
    assert judge([]) == []


def test_holm_is_that_of_statsmodels_and_its_levels_decide_alike():
    family = np.random.default_rng(0).random((8, 9)) ** 6
    family[:, 3] = np.nan
    family[0] = np.nan
    corrected, levels = holm(family)
    assert np.isnan(corrected[0]).all() and np.isnan(levels[0]).all()
    for p, of_report, level in zip(family[1:], corrected[1:], levels[1:], strict=True):
        known = ~np.isnan(p)
        assert of_report[known] == pytest.approx(multipletests(p[known], method="holm")[1])
        assert ((p <= level) == (of_report <= 0.05))[known].all()


def test_a_claim_needs_more_evidence_beside_others():
    alone = evidence(0.14, contrasts=GAIN)
    others = [evidence(0.0, contrasts=GAIN)] * 19
    assert judge([alone])[0].outcome == "direction only"
    judged = judge([alone, *others])[0]
    assert judged.outcome == "inconclusive"
    assert judged.p_holm == pytest.approx(20 * judged.p)


def test_the_interval_that_decides_excludes_the_threshold_exactly_if_the_outcome_does():
    for mean in np.linspace(0.05, 0.6, 30):
        report = [evidence(mean, contrasts=GAIN)] + [evidence(0.0, contrasts=GAIN)] * 9
        judged = judge(report)[0]
        low, _ = report[0].estimates[0].interval(1 - judged.levels[0])
        assert (low > 0) == (judged.outcome == "direction only")


def test_every_outcome_is_defined():
    assert list(OUTCOMES) == [
        "reproduced",
        "direction only",
        EQUIVALENT,
        "published gain excluded",
        "not reproduced",
        "inconclusive",
        "not run",
    ]
    assert all(text.endswith(".") for text in OUTCOMES.values())
