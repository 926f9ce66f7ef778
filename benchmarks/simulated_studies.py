"""Made-up results of studies, of which the truth is known, for `verdicts.py`."""

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from polyrepro.analysis.contrasts import contrasts_at
from polyrepro.analysis.inference import Estimates, estimate_means
from polyrepro.analysis.published import published_statements
from polyrepro.analysis.selection import candidates_of, choosing_seeds, fresh_seeds
from polyrepro.studies.claim import Contrast
from polyrepro.studies.study import Study

POINTS, FRACTION = 0.3, 0.003
"""Standard deviation of a run within its seed: of metrics in percent, and of those in 0..1. That of
a paired difference is 0.42 points, as measured at the embedded scale."""


@dataclass(frozen=True)
class Scenario:
    """What is true of all claims of a report.

    Attributes:
        scale: its claims make up the report.
        effect: how far each contrast lies on its expected side, in standard deviations of a run;
            where equality is claimed there is a difference only if it is negative.
        mixed: half of the variants have effects of their own in each report, with this standard
            deviation, in those of a run.
        at: instead, the effect is exactly the contrast's `margin`, or the `published` gain.
        collapse: probability that a run has learnt nothing.
        spared: the runs of the reference never collapse.
        lucky: in each study one run gains this much, in standard deviations.
        agreement: correlation of a run's noise on validation and test images.
        step: accuracies are multiples of this, in points.
    """

    scale: str = "embedded_full"
    effect: float = 0.0
    mixed: float = 0.0
    at: str = ""
    collapse: float = 0.0
    spared: bool = False
    lucky: float = 0.0
    agreement: float = 0.5
    step: float = 0.0


SCENARIOS = {
    "no effect": Scenario(),
    "tiny effect": Scenario(effect=0.1),
    "tiny opposite effect": Scenario(effect=-0.1),
    "large effect": Scenario(effect=3.0),
    "large opposite effect": Scenario(effect=-3.0),
    "mixed effects": Scenario(mixed=3.0),
    "effect at the margin": Scenario(at="margin"),
    "published gain": Scenario(at="published"),
    "one lucky run per study": Scenario(lucky=20.0),
    "one run in twenty collapses": Scenario(collapse=0.05),
    "one run in ten collapses": Scenario(collapse=0.1),
    "one in ten, never the reference": Scenario(collapse=0.1, spared=True),
    "validation agrees with test": Scenario(agreement=1.0),
    "accuracies of 1000 images": Scenario(step=0.1),
    "paper's scale, no effect": Scenario(scale="paper"),
    "paper's scale, mixed effects": Scenario(scale="paper", mixed=3.0),
    "paper's scale, published gain": Scenario(scale="paper", at="published"),
}


@dataclass(frozen=True)
class SimulatedStudy:
    """Arrays (reports, seeds, variants) of one study.

    Attributes:
        truth: metric to the true values, (variants,) or (reports, variants).
        values: metric to values of test images.
        steps: metric to the step of which its values are multiples, or 0.
        winners: selection to the index of its winner, (reports,).
    """

    study: Study
    names: list[str]
    truth: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    steps: dict[str, float]
    collapsed: np.ndarray
    winners: dict[str, np.ndarray]


def simulate(
    study: Study, scenario: Scenario, seeds: int, reports: int, random: np.random.Generator
) -> SimulatedStudy:
    """Made-up results of a study in many reports."""
    names = [variant.name for variant in study.variants_at(scenario.scale)]
    shape = (reports, seeds, len(names))
    other = np.array([name != study.reference for name in names])
    collapsed = (random.random(shape) < scenario.collapse) & (other | (not scenario.spared))
    truth, values, steps, winners = {}, {}, {}, {}
    metrics = {c.metric for claim in study.claims for c in claim.contrasts} | {study.metric}
    for metric in sorted(metrics):  # sets have another order in every process
        truth[metric] = true_values(study, metric, names, scenario)
        sd = noise(metric)
        if scenario.mixed:
            own = random.normal(0, scenario.mixed * sd, (reports, len(names))) * other
            truth[metric] = truth[metric] + own * (random.random(own.shape) < 0.5)
        luck = random.normal(0, sd, shape)
        for report in range(reports) if scenario.lucky else ():
            luck[report, random.integers(seeds), random.integers(len(names))] += scenario.lucky * sd
        common = random.normal(0, 2 * sd, (reports, seeds, 1))
        values[metric] = np.expand_dims(truth[metric], -2) + common + luck
        # Sixty points below the others, like an accuracy near chance.
        values[metric] = np.where(collapsed, common - 200 * sd + luck, values[metric])
        steps[metric] = scenario.step if noise(metric) == POINTS else 0.0
        if steps[metric]:
            values[metric] = np.round(values[metric] / scenario.step) * scenario.step
        if metric == study.metric:
            rest = np.sqrt(1 - scenario.agreement**2) * random.normal(0, sd, shape)
            validation = values[metric] - luck + scenario.agreement * luck + rest
            winners = choose(study, names, validation, seeds)
    return SimulatedStudy(study, names, truth, values, steps, collapsed, winners)


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
        for contrast in contrasts_at(study, claim, scenario.scale):
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
    weights = np.zeros((reports, len(simulated.names)))
    for name, weight in contrast.weights.items():
        chosen = name.startswith("@")
        place = simulated.winners[name[1:]] if chosen else simulated.names.index(name)
        weights[np.arange(reports), place] += weight
    of_runs = weights[:, None]
    truth = (weights * simulated.truth[contrast.metric]).sum(axis=-1)
    total = (of_runs * simulated.values[contrast.metric][:, used]).sum(axis=-1)
    collapsed = (simulated.collapsed[:, used] & (of_runs != 0)).any(axis=-1)
    step = simulated.steps[contrast.metric] * weights.any(axis=-1)
    # Sums leave rounding errors where all values are the same.
    return truth, estimate_means(np.round(total, 9), collapsed, step)
