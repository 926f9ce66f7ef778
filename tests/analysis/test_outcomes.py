"""From estimates to outcomes, for every kind of claim."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from polyrepro.analysis.inference import estimate_means, holm
from polyrepro.analysis.outcomes import (
    EQUIVALENT,
    OUTCOMES,
    Evidence,
    judge,
    questions,
)
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


def test_without_runs_nothing_is_run_and_one_seed_decides_nothing():
    for values, expected in (([], "not run"), ([5.0], "inconclusive")):
        claim = Claim(name="c", statement="", quantity="", contrasts=GAIN)
        found = judge([Evidence(claim, GAIN, (estimate_means(values),), **PAPER)])[0].outcome
        assert found == expected


def test_all_contrasts_must_hold_and_one_that_fails_is_enough():
    two = (against_reference("a"), against_reference("b"))
    assert outcome(0.5, 0.5, contrasts=two) == "direction only"
    assert outcome(0.5, 0.05, contrasts=two) == "inconclusive"
    assert outcome(0.5, -0.5, contrasts=two) == "not reproduced"


def test_a_failure_among_several_contrasts_is_corrected_for_their_number():
    one, two = evidence(-0.1, contrasts=GAIN), evidence(-0.1, 0.5, contrasts=GAIN * 2)
    assert questions(two)["direction"] == pytest.approx(2 * questions(one)["direction"])


def test_equivalence_is_that_of_two_one_sided_tests():
    p = DescrStatsW(0.1 + NOISE).ttost_mean(-0.3, 0.3)[0]
    assert questions(evidence(0.1, contrasts=EQUAL))["direction"] == pytest.approx(2 * p)


def test_steps_count_only_as_far_as_all_before_them_hold():
    steps = EQUAL * 4
    judged = judge([evidence(0.0, 0.05, 0.9, 0.0, contrasts=steps, step_down=True)])[0]
    assert judged.outcome == EQUIVALENT and judged.steps == 2
    judged = judge([evidence(0.9, 0.0, 0.0, 0.0, contrasts=steps, step_down=True)])[0]
    assert judged.outcome == "not reproduced" and judged.steps == 0


def test_holm_is_that_of_statsmodels_and_its_levels_decide_alike():
    family = np.random.default_rng(0).random((8, 9)) ** 6
    family[:, 3] = np.nan
    family[0] = np.nan
    corrected, levels = holm(family)
    assert np.isnan(corrected[0]).all() and (levels[0] == 1).all()
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
        low, _ = report[0].estimates[0].interval(judged.confidence)
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
