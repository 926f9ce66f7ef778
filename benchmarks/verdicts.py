"""How often a report says something false: simulated tables, judged by the code of the package.

    python benchmarks/verdicts.py                  # results/reference/verdicts.csv, reproduced.csv
    python benchmarks/verdicts.py --reports 500    # quicker, less exact

`verdicts.csv` simulates whole reports: every claim of every study of the scale `embedded_full`,
with its selections, margins and published gains, under assumptions about the truth (`SCENARIOS`)
and for 1 to 20 seeds. A verdict is false if the truth contradicts it: a direction where there is
none or the other, equality where the difference is at least the margin, a published gain excluded
which is true.

`reproduced.csv` gives the probability of each outcome for one claim of a gain at the paper's scale,
among twenty claims, by the true effect, the noise and the number of seeds.
"""

import argparse
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from polyrepro.analysis.contrasts import contrasts_at
from polyrepro.analysis.inference import SIGNIFICANCE, Estimates, estimate_means
from polyrepro.analysis.outcomes import EQUIVALENT, Evidence, Judgement, judge
from polyrepro.analysis.published import published_statements
from polyrepro.analysis.selection import candidates_of, choosing_seeds, fresh_seeds
from polyrepro.studies import STUDIES
from polyrepro.studies.claim import Claim, Contrast, against_reference
from polyrepro.studies.study import Study

FOLDER = Path(__file__).parents[1] / "results" / "reference"
SCALE = "embedded_full"
SEEDS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20)
POINTS, FRACTION = 0.3, 0.003
"""Standard deviation of a run within its seed: of metrics in percent, and of those in 0..1. That of
a paired difference is 0.42 points, as measured at the embedded scale."""

TOLERANCE = 1e-9
"""Of comparisons of true values with thresholds that they equal."""


@dataclass(frozen=True)
class Scenario:
    """What is true of all claims of a report.

    Attributes:
        effect: how far each contrast lies on its expected side, in standard deviations of a run;
            where equality is claimed there is a difference only if it is negative.
        at: instead, the effect is exactly the contrast's `margin`, or the `published` gain.
        collapse: probability that a run has learnt nothing.
        lucky: in each study one run gains this much, in standard deviations.
        agreement: correlation of a run's noise on validation and test images.
        step: accuracies are multiples of this, in points.
    """

    effect: float = 0.0
    at: str = ""
    collapse: float = 0.0
    lucky: float = 0.0
    agreement: float = 0.5
    step: float = 0.0


SCENARIOS = {
    "no effect": Scenario(),
    "tiny effect": Scenario(effect=0.1),
    "tiny opposite effect": Scenario(effect=-0.1),
    "large effect": Scenario(effect=3.0),
    "large opposite effect": Scenario(effect=-3.0),
    "effect at the margin": Scenario(at="margin"),
    "published gain": Scenario(at="published"),
    "one lucky run per study": Scenario(lucky=20.0),
    "one run in twenty collapses": Scenario(collapse=0.05),
    "one run in ten collapses": Scenario(collapse=0.1),
    "validation agrees with test": Scenario(agreement=1.0),
    "accuracies of 1000 images": Scenario(step=0.1),
}


@dataclass(frozen=True)
class SimulatedStudy:
    """Arrays (reports, seeds, variants) of one study.

    Attributes:
        truth: metric to the true values, (variants,).
        values: metric to values of test images.
        winners: selection to the index of its winner, (reports,).
    """

    study: Study
    names: list[str]
    truth: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    collapsed: np.ndarray
    winners: dict[str, np.ndarray]


def simulate(
    study: Study, scenario: Scenario, seeds: int, reports: int, random: np.random.Generator
) -> SimulatedStudy:
    """Made-up results of a study in many reports."""
    names = [variant.name for variant in study.variants_at(SCALE)]
    shape = (reports, seeds, len(names))
    collapsed = random.random(shape) < scenario.collapse
    truth, values, winners = {}, {}, {}
    metrics = {c.metric for claim in study.claims for c in claim.contrasts} | {study.metric}
    for metric in sorted(metrics):  # sets have another order in every process
        truth[metric] = true_values(study, metric, names, scenario)
        sd = noise(metric)
        luck = random.normal(0, sd, shape)
        for report in range(reports) if scenario.lucky else ():
            luck[report, random.integers(seeds), random.integers(len(names))] += scenario.lucky * sd
        common = random.normal(0, 2 * sd, (reports, seeds, 1))
        values[metric] = truth[metric] + common + luck
        # Sixty standard deviations of a run below the others, like an accuracy near chance.
        values[metric] = np.where(collapsed, common - 200 * sd + luck, values[metric])
        if scenario.step and noise(metric) == POINTS:
            values[metric] = np.round(values[metric] / scenario.step) * scenario.step
        if metric == study.metric:
            rest = np.sqrt(1 - scenario.agreement**2) * random.normal(0, sd, shape)
            validation = values[metric] - luck + scenario.agreement * luck + rest
            winners = choose(study, names, validation, seeds)
    return SimulatedStudy(study, names, truth, values, collapsed, winners)


@functools.cache
def statements() -> pd.DataFrame:
    """The published statements, read once."""
    return published_statements()


def noise(metric: str) -> float:
    """Standard deviation of a run."""
    return FRACTION if metric.startswith(("mean_pt", "leading")) else POINTS


def true_values(study: Study, metric: str, names: list[str], scenario: Scenario) -> np.ndarray:
    """True value of each variant, such that all contrasts are as the scenario says."""
    truth = np.zeros(len(names))
    gains = statements()["gain"]
    for claim in study.claims:
        gain = gains.get(claim.published, np.nan)
        for contrast in contrasts_at(study, claim, SCALE):
            if contrast.metric != metric or contrast.kind == "at_most":
                continue
            effect = scenario.effect * noise(metric)
            if contrast.kind == "equivalence":
                effect = -20 * min(effect, 0)
            if scenario.at == "margin":
                effect = contrast.margin or 0
            if scenario.at == "published" and gain > 0:
                effect = gain
            if len(contrast.weights) == 1:
                truth += contrast.threshold
            for name in (name for name, weight in contrast.weights.items() if weight > 0):
                for variant in variants_behind(name, study, names):
                    place = names.index(variant)
                    if truth[place] == contrast.threshold:
                        truth[place] += contrast.sign * effect
    return truth


def variants_behind(name: str, study: Study, names: list[str]) -> list[str]:
    """A variant itself, or the candidates of a selection."""
    if not name.startswith("@"):
        return [name]
    known = {s.name: s for s in study.selections}
    return [v for v in candidates_of(known[name[1:]], known) if v in names]


def choose(
    study: Study, names: list[str], validation: np.ndarray, seeds: int
) -> dict[str, np.ndarray]:
    """Winner of each selection in each report, by validation images of the choosing seeds."""
    scores = validation[:, choosing_seeds(study, range(seeds))].mean(axis=1)
    winners = {}
    for selection in study.selections:
        places = [names.index(v) for v in variants_behind(f"@{selection.name}", study, names)]
        if places:
            winners[selection.name] = np.array(places)[scores[:, places].argmax(axis=1)]
    return winners


def contrast_values(contrast: Contrast, simulated: SimulatedStudy) -> tuple[np.ndarray, Estimates]:
    """True value of a contrast in each report, and its estimates."""
    reports, seeds, _ = simulated.collapsed.shape
    used = list(range(seeds))
    if contrast.selections:
        used = fresh_seeds(simulated.study, used)
    truth, total = np.zeros(reports), np.zeros((reports, len(used)))
    collapsed = np.zeros(total.shape, dtype=bool)
    for name, weight in contrast.weights.items():
        if name.startswith("@"):
            place = simulated.winners[name[1:]]
        else:
            place = np.full(reports, simulated.names.index(name))
        rows = np.arange(reports)[:, None], np.array(used, dtype=int)[None], place[:, None]
        truth += weight * simulated.truth[contrast.metric][place]
        total += weight * simulated.values[contrast.metric][rows]
        collapsed |= simulated.collapsed[rows]
    # Weights that cancel leave rounding errors.
    return truth, estimate_means(np.round(total, 9), collapsed)


def simulate_reports(
    scenario: Scenario, seeds: int, reports: int, random: np.random.Generator
) -> dict[str, float]:
    """Rates of false verdicts, coverage and power over many reports."""
    published = statements()
    evidence, truths = [], []
    for study in (s for s in STUDIES.values() if SCALE in s.recipes):
        simulated = simulate(study, scenario, seeds, reports, random)
        for claim in study.claims:
            contrasts = contrasts_at(study, claim, SCALE)
            if not contrasts:
                continue
            pairs = [contrast_values(contrast, simulated) for contrast in contrasts]
            verified = claim.published and published["status"][claim.published] == "verified"
            gain = published["gain"][claim.published] if verified else np.nan
            estimates = tuple(pair[1] for pair in pairs)
            evidence.append(Evidence(claim, contrasts, estimates, gain))
            truths.append([pair[0] for pair in pairs])
    judgements = judge(evidence)
    cases = list(zip(evidence, truths, judgements, strict=True))
    false = np.stack([is_false(*case) for case in cases])
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
        "false_per_claim": false.mean(),
        "false_worst_claim": false.mean(axis=1).max(),
        "coverage": covered.mean() if len(covered) else np.nan,
        "right_per_claim": right.mean(),
    }


def is_definite(outcome: np.ndarray) -> np.ndarray:
    """Whether a verdict says something about the truth."""
    return ~np.isin(outcome, ("inconclusive", "not run"))


def is_false(evidence: Evidence, truths: list[np.ndarray], judgement: Judgement) -> np.ndarray:
    """Whether the truth contradicts the verdict."""
    pairs = list(zip(evidence.contrasts, truths, strict=True))
    hold = np.array([excess(*pair) > TOLERANCE for pair in pairs])
    fail = np.array([excess(*pair) < -TOLERANCE for pair in pairs])
    if evidence.claim.step_down:
        too_far = judgement.steps > np.logical_and.accumulate(hold, axis=0).sum(axis=0)
        holds, fails, equal = ~too_far, fail[0], ~too_far
    else:
        holds, fails = hold.all(axis=0), fail.any(axis=0)
        margins = [(c.margin or np.inf) - TOLERANCE for c, _ in pairs]
        inside = [np.abs(t - c.threshold) < m for (c, t), m in zip(pairs, margins, strict=True)]
        equal = np.all(inside, axis=0)
    smaller = pairs[0][0].sign * truths[0] < evidence.gain - TOLERANCE
    outcome = judgement.outcome
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
