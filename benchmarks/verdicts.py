"""How often a report says something false: simulated tables, judged by the code of the package.

    python benchmarks/verdicts.py                  # results/reference/verdicts.csv, reproduced.csv
    python benchmarks/verdicts.py --reports 500    # quicker, less exact

`verdicts.csv` simulates whole reports: every claim of every study of the scale `embedded_full`, or
of the paper's own, with its selections, margins and published gains, under assumptions about the
truth (`SCENARIOS` in simulated_studies.py) and for 1 to 20 seeds. A verdict is false if the truth
contradicts it: a direction where there is none or the other, equality where the difference is at
least the margin, a published gain excluded which is true. `false_or_contrast` counts what is said
of the single contrasts of a claim, too. Where runs collapse, the truth is that of runs that learn.

`reproduced.csv` gives the probability of each outcome for one claim of a gain at the paper's scale,
among twenty claims, by the true effect, the noise and the number of seeds.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from simulated_studies import SCENARIOS, Scenario, contrast_values, simulate, statements

from polyrepro.analysis.contrasts import contrasts_at
from polyrepro.analysis.inference import SIGNIFICANCE, Estimates, estimate_means
from polyrepro.analysis.outcomes import EQUIVALENT, Judgement, contrast_outcomes, judge
from polyrepro.analysis.published import PAPER_SCALE
from polyrepro.analysis.questions import Evidence
from polyrepro.studies import STUDIES
from polyrepro.studies.claim import Claim, Contrast, against_reference

FOLDER = Path(__file__).parents[1] / "results" / "reference"
SEEDS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20)

TOLERANCE = 1e-9
"""Of comparisons of true values with thresholds that they equal."""


def simulate_reports(
    scenario: Scenario, seeds: int, reports: int, random: np.random.Generator
) -> dict[str, float]:
    """Rates of false verdicts, coverage and power over many reports."""
    published = statements()
    evidence, truths = [], []
    for study in (s for s in STUDIES.values() if scenario.scale in s.recipes):
        simulated = simulate(study, scenario, seeds, reports, random)
        for claim in study.claims:
            contrasts = contrasts_at(study, claim, scenario.scale)
            if not contrasts:
                continue
            pairs = [contrast_values(contrast, simulated) for contrast in contrasts]
            verified = claim.published and published["status"][claim.published] == "verified"
            gain = published["gain"][claim.published] if verified else np.nan
            estimates = tuple(pair[1] for pair in pairs)
            paper_scale = scenario.scale == PAPER_SCALE
            evidence.append(Evidence(claim, contrasts, estimates, gain, paper_scale))
            truths.append([pair[0] for pair in pairs])
    judgements = judge(evidence)
    cases = list(zip(evidence, truths, judgements, strict=True))
    false = np.stack([is_false(*case[:2], case[2].outcome, case[2].steps) for case in cases])
    any_false = np.any([false.any(axis=0), *(false_contrasts(*case) for case in cases)], axis=0)
    right = np.stack([is_definite(judgement.outcome) for judgement in judgements]) & ~false
    covered = np.concatenate(
        [
            covers(*pair)
            for one, of_claim, _ in cases
            for pair in zip(of_claim, one.estimates, strict=True)
        ]
    )
    return {
        "claims": len(evidence),
        "reports": reports,
        "false_per_report": false.any(axis=0).mean(),
        "false_or_contrast": any_false.mean(),
        "false_per_claim": false.mean(),
        "false_worst_claim": false.mean(axis=1).max(),
        "coverage": covered.mean() if len(covered) else np.nan,
        "right_per_claim": right.mean(),
    }


def is_definite(outcome: np.ndarray) -> np.ndarray:
    """Whether a verdict says something about the truth."""
    return ~np.isin(outcome, ("inconclusive", "not run"))


def false_contrasts(
    evidence: Evidence, truths: list[np.ndarray], judgement: Judgement
) -> np.ndarray:
    """Whether the truth contradicts what is said of any contrast on its own."""
    found = np.zeros(judgement.outcome.shape, dtype=bool)
    each = zip(
        evidence.contrasts,
        evidence.estimates,
        truths,
        contrast_outcomes(evidence, judgement),
        strict=True,
    )
    for contrast, estimates, truth, outcome in each:
        claim = evidence.claim.model_copy(update={"contrasts": (contrast,), "step_down": False})
        gain = evidence.gain if len(truths) == 1 else np.nan
        found |= is_false(Evidence(claim, (contrast,), (estimates,), gain), [truth], outcome)
    return found


def is_false(
    evidence: Evidence, truths: list[np.ndarray], outcome: np.ndarray, steps: np.ndarray | int = 0
) -> np.ndarray:
    """Whether the truth contradicts the verdict on a claim, which holds down to `steps`."""
    pairs = list(zip(evidence.contrasts, truths, strict=True))
    hold = np.array([excess(*pair) > TOLERANCE for pair in pairs])
    fail = np.array([excess(*pair) < -TOLERANCE for pair in pairs])
    if evidence.claim.step_down:
        too_far = steps > np.logical_and.accumulate(hold, axis=0).sum(axis=0)
        holds, fails, equal = ~too_far, fail[0], ~too_far
    else:
        holds, fails = hold.all(axis=0), fail.any(axis=0)
        margins = [(c.margin or np.inf) - TOLERANCE for c, _ in pairs]
        inside = [np.abs(t - c.threshold) < m for (c, t), m in zip(pairs, margins, strict=True)]
        equal = np.all(inside, axis=0)
    smaller = pairs[0][0].sign * truths[0] < evidence.gain - TOLERANCE
    return np.select(
        [
            np.isin(outcome, ("reproduced", "direction only")),
            outcome == "not reproduced",
            outcome == EQUIVALENT,
            outcome == "published gain excluded",
        ],
        [~holds, ~fails, ~equal, ~smaller],
        False,
    )


def excess(contrast: Contrast, truth: np.ndarray) -> np.ndarray:
    """How far the truth lies on the expected side."""
    if contrast.kind == "equivalence":
        return contrast.margin - np.abs(truth - contrast.threshold)
    if contrast.kind == "at_most":
        return contrast.threshold + contrast.margin - truth
    return contrast.sign * (truth - contrast.threshold)


def covers(truth: np.ndarray, estimates: Estimates) -> np.ndarray:
    """Whether the 95 % interval contains the truth, for the reports in which there is one.

    Contrasts of a variant with itself are exact and say nothing about intervals.
    """
    low, high = estimates.interval(1 - SIGNIFICANCE)
    return ((low <= truth) & (truth <= high))[estimates.error > 0]


def reproduced_rates(reports: int, random: np.random.Generator) -> pd.DataFrame:
    """Probabilities of the outcomes of one claim of a gain of 1, among twenty claims."""
    contrast = against_reference("variant", margin=0.5)
    claim = Claim(name="gain", statement="", quantity="", contrasts=(contrast,))
    rows = []
    for noise_of_difference in (0.25, 0.5, 1.0, 1.5):
        for seeds in (3, 5, 10, 20, 40):
            others = [
                Evidence(
                    claim, (contrast,), (estimate_means(random.normal(0, 1, (reports, seeds))),)
                )
                for _ in range(19)
            ]
            for effect in (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0):
                values = random.normal(effect, noise_of_difference, (reports, seeds))
                own = Evidence(
                    claim, (contrast,), (estimate_means(values),), gain=1.0, paper_scale=True
                )
                outcome = judge([own, *others])[0].outcome
                counts = pd.Series(outcome).value_counts(normalize=True)
                rows.append(
                    {"sd_over_gain": noise_of_difference, "seeds": seeds}
                    | {"effect_over_gain": effect, "reports": reports}
                    | {name.replace(" ", "_"): counts.get(name, 0.0) for name in SHOWN}
                )
    return pd.DataFrame(rows)


SHOWN = (
    "reproduced",
    "direction only",
    EQUIVALENT,
    "published gain excluded",
    "not reproduced",
    "inconclusive",
)


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--reports", type=int, default=2000, help="per scenario and number of seeds"
    )
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the two tables")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    rows = [
        {"scenario": name, "seeds": seeds}
        | simulate_reports(scenario, seeds, options.reports, random)
        for name, scenario in SCENARIOS.items()
        for seeds in SEEDS
    ]
    options.output.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).round(4).to_csv(options.output / "verdicts.csv", index=False)
    rates = reproduced_rates(options.reports, random)
    rates.round(4).to_csv(options.output / "reproduced.csv", index=False)


if __name__ == "__main__":
    main()
