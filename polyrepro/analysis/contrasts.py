"""A contrast of variants, measured seed by seed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from polyrepro.analysis.diverged import diverged_runs
from polyrepro.analysis.inference import Estimates, common_step, estimate_means
from polyrepro.analysis.metrics_table import final_values
from polyrepro.analysis.selection import candidates_of, fresh_seeds
from polyrepro.studies.claim import Claim, Contrast
from polyrepro.studies.study import Study


@dataclass(frozen=True)
class StudyRuns:
    """The runs of one study in a table.

    Attributes:
        metrics: the rows of the study.
        winners: selection to winning variant, without selections that could not be made.
        collapsed: per seed and variant.
        seeds: all seeds of the study.
    """

    study: Study
    metrics: pd.DataFrame
    winners: dict[str, str]
    collapsed: pd.DataFrame
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Measurement:
    """A contrast's values.

    Attributes:
        weights: variant to weight, selections replaced by their winners.
        values: the contrast by seed, for the seeds that all its variants have.
        collapsed: by seed, whether a run of it has collapsed.
        notes: what is missing or odd, in words.
        step: of which the compared values are multiples, where their differences are all zero.
    """

    contrast: Contrast
    weights: dict[str, float]
    values: pd.Series
    collapsed: pd.Series
    notes: tuple[str, ...]
    step: float = 0.0

    @property
    def estimates(self) -> Estimates:
        """Mean and error of the contrast; zero-dimensional arrays."""
        return estimate_means(self.values.to_numpy(), self.collapsed.to_numpy(), self.step)

    @property
    def in_words(self) -> str:
        """For example `top1 (test): 2 poly1_e+2 - cross_entropy - poly2_e+1`."""
        terms = []
        for name, weight in self.weights.items():
            factor = "" if abs(weight) == 1 else f"{abs(weight):g} "
            terms.append(f"{'-' if weight < 0 else '+'} {factor}{name}")
        text = " ".join(terms).removeprefix("+ ") or "0"
        return f"{self.contrast.metric} ({self.contrast.split}): {text}"


def measure(contrast: Contrast, runs: StudyRuns) -> Measurement:
    """Measure a contrast; one with a selection only over the seeds that chose nothing."""
    weights, undecided = _resolved(contrast, runs.winners)
    seeds = fresh_seeds(runs.study, runs.seeds) if contrast.selections else list(runs.seeds)
    needed = f"{runs.study.metric} on validation images of a candidate"
    notes = [f"nothing chosen ({name}): no seed that chooses has {needed}" for name in undecided]
    if contrast.selections and not seeds:
        chose = "the only seed" if len(runs.seeds) == 1 else f"all {len(runs.seeds)} seeds"
        notes.append(f"{chose} chose; none is left to test")
    per_variant = _values(contrast, runs).reindex(index=seeds)
    absent = [name for name in weights if name not in per_variant]
    notes += [_absent(name, contrast, runs) for name in absent if not name.startswith("@")]
    if absent or undecided or not seeds:
        return _nothing(contrast, weights, notes)
    of_contrast = per_variant[list(weights)]
    for name, values in of_contrast.items():
        missing = values.index[values.isna()]
        if len(missing):
            numbers = ", ".join(str(seed) for seed in missing)
            notes.append(f"seed{'s' * (len(missing) > 1)} {numbers} of {name} missing")
    complete = of_contrast.dropna()
    values = sum((weights[name] * complete[name] for name in weights), pd.Series(0.0, seeds))
    values = values.loc[complete.index] if weights else values
    lost = runs.collapsed.reindex(index=values.index, columns=list(weights), fill_value=False)
    lost = lost.fillna(False).astype(bool)
    for name, count in lost.sum().items():
        if count:
            notes.append(f"{count} of {len(lost)} runs of {name} collapsed")
            pairs = [(runs.study.name, name, seed) for seed in lost.index]
            diverged = len(diverged_runs(runs.metrics).intersection(pairs))
            notes[-1] += f", {diverged} of them diverged" if diverged else ""
    step = 0.0
    if weights and len(values) and (values == 0).all():
        step = common_step(per_variant.to_numpy())
        notes.append("all differences are zero")
        notes[-1] += f", of values in steps of {step:.2g}" if step > 0 else ""
    return Measurement(contrast, weights, values, lost.any(axis="columns"), tuple(notes), step)


def contrasts_at(study: Study, claim: Claim, scale: str) -> tuple[Contrast, ...]:
    """The contrasts of a claim whose variants, or candidates of selections, a scale runs.

    Args:
        scale: it may end in ", overridden"; one that the study does not know runs everything.
    """
    names = {variant.name for variant in study.variants_at(scale.split(",")[0])}
    known = {s.name: s for s in study.selections}
    run = {f"@{name}" for name in known if names & set(candidates_of(known[name], known))}
    return tuple(c for c in claim.contrasts if set(c.weights) <= names | run)


def expected(contrast: Contrast) -> str:
    """What a contrast expects, in words."""
    if contrast.kind == "equivalence":
        return f"within {contrast.margin:g} of {contrast.threshold:g}"
    if contrast.kind == "at_most":
        return f"below {contrast.edges[1]:g}"
    return f"{'above' if contrast.sign > 0 else 'below'} {contrast.threshold:g}"


def _absent(variant: str, contrast: Contrast, runs: StudyRuns) -> str:
    if (runs.metrics["variant"] == variant).any():
        return f"no {contrast.metric} ({contrast.split}) of {variant}"
    return f"no runs of {variant}"


def _nothing(contrast: Contrast, weights: dict[str, float], notes: list[str]) -> Measurement:
    empty = pd.Series(dtype=float)
    return Measurement(contrast, weights, empty, empty.astype(bool), tuple(notes))


def _resolved(contrast: Contrast, winners: dict[str, str]) -> tuple[dict[str, float], list[str]]:
    """Weights by variant, without those that cancel, and selections without a winner.

    A selection without a winner keeps its name.
    """
    undecided = [name for name in contrast.selections if name not in winners]
    weights: dict[str, float] = {}
    for name, weight in contrast.weights.items():
        variant = winners.get(name[1:], name) if name.startswith("@") else name
        weights[variant] = weights.get(variant, 0.0) + weight
    return {name: weight for name, weight in weights.items() if weight != 0}, undecided


def _values(contrast: Contrast, runs: StudyRuns) -> pd.DataFrame:
    """The contrast's metric: a row per seed, a column per variant."""
    if contrast.over == "end":
        return final_values(runs.metrics, runs.study.name, contrast.metric, contrast.split)
    rows = runs.metrics[
        (runs.metrics["metric"] == contrast.metric)
        & (runs.metrics["split"] == contrast.split)
        # A whole epoch's row averages over its parts, which are rows of their own.
        & (runs.metrics["epoch"] % 1 != 0)
    ]
    return rows.groupby(["seed", "variant"])["value"].median().unstack("variant")


def collapsed_count(measurement: Measurement) -> int:
    """Seeds at which a run of the contrast has collapsed."""
    return int(np.sum(measurement.collapsed))
