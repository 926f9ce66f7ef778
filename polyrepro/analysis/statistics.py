"""What each variant measures, and its difference to the reference paired by seed."""

import difflib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from polyrepro.analysis.collapse import collapsed_runs
from polyrepro.analysis.inference import common_step, estimate_means, holm, student_quantile
from polyrepro.analysis.metrics_checks import SPLITS
from polyrepro.analysis.metrics_table import final_values
from polyrepro.analysis.selection import winners
from polyrepro.analysis.significance import CONFIDENCE, SIGNIFICANCE
from polyrepro.analysis.tables import (
    read_table,
    refuse,
    refuse_impossible,
    refuse_other_than,
    refuse_outside,
)
from polyrepro.studies import STUDIES
from polyrepro.studies.study import Study

ENDS = ("difference_low", "difference_high", "simultaneous_low", "simultaneous_high")
TEXTS = (
    *("study", "scale", "recipe", "variant", "metric", "split", "label", "series", "epsilon"),
    *("missing", "selected"),
)
NUMBERS = (
    *("terms", "gamma", "learning_rate", "mean", "sd", "low", "high"),
    *("difference", *ENDS, "p_value", "p_holm"),
)
SETTINGS = ["label", "series", "epsilon", "terms", "gamma", "learning_rate"]
"""Columns that say what a variant is."""
COLUMNS = (
    *("study", "scale", "recipe", "variant", "metric", "split", *SETTINGS),
    *("n", "mean", "sd", "low", "high", "missing", "collapsed", "difference", *ENDS),
    *("p_value", "selected", "p_holm"),
)


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds with its 95 % t interval; no interval (NaN) for a single seed."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


def estimate(values: pd.Series | np.ndarray) -> Estimate:
    """Mean, standard deviation and 95 % t interval of independent values."""
    values = np.asarray(values, dtype=float)
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Estimate(n, mean, float("nan"), float("nan"), float("nan"))
    sd = float(np.std(values, ddof=1))
    half = float(student_quantile(0.5 + CONFIDENCE / 2, n - 1)) * sd / n**0.5
    return Estimate(n, mean, sd, mean - half, mean + half)


def paired_difference(
    values: pd.DataFrame, variant: str, reference: str, collapsed: pd.DataFrame, comparisons: int
) -> dict[str, float]:
    """Difference of a variant to the reference, seed by seed, with intervals and p value.

    Args:
        values: a row per seed, a column per variant.
        collapsed: the same, True for runs that have collapsed.
        comparisons: variants that are compared with the reference; Bonferroni widens the
            simultaneous interval by it. The differences share the reference and are correlated:
            Bonferroni holds all the same, while Dunnett's narrower intervals would need the size
            of the correlation, which a handful of seeds cannot give.
    """
    difference = (values[variant] - values[reference]).dropna()
    seeds, pair = difference.index, (variant, reference)
    if variant == reference:
        ends = dict.fromkeys(ENDS, 0.0 if len(seeds) > 1 else float("nan"))
        return {"difference": 0.0} | ends | {"p_value": float("nan")}
    lost = np.zeros(len(seeds), dtype=bool)
    for name in pair:
        if name in collapsed:
            lost |= collapsed[name].reindex(seeds, fill_value=False).to_numpy(dtype=bool)
    step = 0.0 if difference.any() else common_step(values.to_numpy())
    result = estimate_means(difference.to_numpy(), lost, step)
    low, high = result.interval(CONFIDENCE)
    wide = result.interval(1 - SIGNIFICANCE / comparisons)
    p_value = 2 * np.minimum(result.p_above(0), result.p_below(0))
    return {
        "difference": float(result.mean),
        "difference_low": float(low),
        "difference_high": float(high),
        "simultaneous_low": float(wide[0]),
        "simultaneous_high": float(wide[1]),
        "p_value": float("nan") if np.isnan(result.error) else float(min(p_value, 1)),
    }


def summarise(metrics: pd.DataFrame) -> pd.DataFrame:
    """The table `statistics.csv`: per study, variant, metric and split at the end of training.

    Columns beside the run's settings: `n`, `mean`, `sd`, `low`, `high` over seeds; `missing`: seeds
    of the study that this variant lacks; `collapsed`: the number of runs that have learnt nothing,
    which are in the mean;
    `difference`, `difference_low`, `difference_high` against the reference, paired by seed (95 %,
    collapsed runs trimmed, see `inference`), and `simultaneous_low`, `simultaneous_high`, which
    cover all differences of the study in this metric together; `p_value` and, corrected by Holm
    over these differences, `p_holm`; `selected`: names of the selections that this variant won.
    The winner's difference includes the seeds that chose it; claims are decided without those.
    """
    groups = metrics[["study", "metric", "split"]].drop_duplicates()
    rows = []
    for study in groups["study"].unique():
        of_study = groups[groups["study"] == study]
        rows += _study_rows(metrics, STUDIES[study], of_study)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"terms": "Int64"})


def _study_rows(metrics: pd.DataFrame, study: Study, groups: pd.DataFrame) -> list[dict]:
    of_study = metrics[metrics["study"] == study.name]
    settings = of_study.drop_duplicates("variant").set_index("variant").to_dict("index")
    won, collapsed = winners(of_study, study), collapsed_runs(of_study, study.name)
    seeds = sorted(of_study["seed"].unique())
    rows = []
    for _, _, metric, split in groups.itertuples():
        values = final_values(of_study, study.name, metric, split)
        variants = [v.name for v in study.variants if v.name in values]
        of_metric = []
        for variant in variants:
            run, present = settings[variant], values[variant].dropna()
            of_metric.append(
                {"study": study.name, "scale": run["scale"], "recipe": run["recipe"]}
                | {"variant": variant, "metric": metric, "split": split}
                | {name: run[name] for name in SETTINGS}
                | asdict(estimate(present))
                | {"missing": " ".join(str(s) for s in seeds if s not in present.index)}
                | {"collapsed": int(collapsed.get(variant, pd.Series(dtype=bool)).sum())}
                | _difference(values, variant, study.reference, collapsed)
                | {"selected": " ".join(name for name, v in won.items() if v == variant)}
            )
        rows += _with_holm(of_metric)
    return rows


def _difference(
    values: pd.DataFrame, variant: str, reference: str, collapsed: pd.DataFrame
) -> dict[str, float]:
    """The paired difference; NaN throughout where the table has no reference."""
    if reference not in values:
        values = values.assign(**{reference: float("nan")})
    comparisons = max(len(values.columns) - 1, 1)
    return paired_difference(values, variant, reference, collapsed, comparisons)


def _with_holm(rows: list[dict]) -> list[dict]:
    """The rows of one sweep with `p_holm` after `p_value`."""
    corrected, _ = holm(np.array([row["p_value"] for row in rows]))
    return [row | {"p_holm": value} for row, value in zip(rows, corrected, strict=True)]


def read_statistics(path: Path, *, may_be_empty: bool = False) -> pd.DataFrame:
    """Read `statistics.csv`; empty texts stay texts.

    Args:
        may_be_empty: there may be no rows, because no run has finished.

    Raises:
        MetricsError: naming file, row and column, if the table was damaged.
    """
    table = read_table(path, TEXTS, NUMBERS, ("n", "collapsed"), may_be_empty=may_be_empty)
    if table.empty:
        return table
    refuse_other_than(table, "study", STUDIES, path)
    refuse_other_than(table, "split", SPLITS, path)
    for study, rows in table.groupby("study"):
        refuse_other_than(rows, "variant", [v.name for v in STUDIES[str(study)].variants], path)
        known = {selection.name for selection in STUDIES[str(study)].selections}
        other = ~rows["selected"].map(lambda names, known=known: set(names.split()) <= known)
        refuse(other, rows["selected"], path, "names no selection of the study")
        _refuse_misspelt(rows, STUDIES[str(study)], path)
    one_scale = f"beside {table['scale'].iloc[0]!r}: one table holds one scale"
    refuse(table["scale"] != table["scale"].iloc[0], table["scale"], path, one_scale)
    refuse(table["n"] == 0, table["n"], path, "seeds have no mean")
    refuse(table["sd"] < 0, table["sd"], path, "is no standard deviation")
    refuse_outside(table, "mean", ("low", "high"), path)
    for ends in (ENDS[:2], ENDS[2:]):
        refuse_outside(table, "difference", ends, path)
    refuse_impossible(table, ("p_value", "p_holm"), path)
    keys = ["study", "variant", "metric", "split"]
    refuse(table.duplicated(keys), table["variant"], path, "has this metric twice in its study")
    return table


def _refuse_misspelt(rows: pd.DataFrame, study: Study, path: Path) -> None:
    """A metric that stands where the variant lacks another one of a similar name."""
    wrong = "is no metric of the study's, and its own is nowhere"
    refuse(
        pd.Series((study.metric not in set(rows["metric"])), rows.index),
        rows["metric"],
        path,
        f"{wrong}: {study.metric!r}",
    )
    for _, of_split in rows.groupby("split"):
        variants = of_split.groupby("metric")["variant"].agg(set)
        for metric, of_metric in variants.items():
            larger = [
                str(name)
                for name, others in variants.items()
                if len(others) > len(of_metric) and not others & of_metric
            ]
            for meant in difflib.get_close_matches(str(metric), larger, n=1, cutoff=0.75):
                refuse(
                    of_split["metric"] == metric,
                    of_split["metric"],
                    path,
                    f"where its variant has no {meant!r}",
                )
