"""Means with t intervals over seeds, and differences to the reference paired by seed.

With three to five seeds a bootstrap is meaninglessly narrow; Student's t is wide for a reason.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from polyrepro.analysis.metrics_table import final_values
from polyrepro.analysis.selection import winners
from polyrepro.studies import STUDIES

CONFIDENCE = 0.95
SETTINGS = ["label", "series", "epsilon", "terms", "gamma", "learning_rate"]
"""Columns that say what a variant is."""


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
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)) * sd / n**0.5
    return Estimate(n, mean, sd, mean - half, mean + half)


def paired_difference(values: pd.DataFrame, variant: str, reference: str) -> dict[str, float]:
    """Difference of a variant to the reference, seed by seed, with interval and p value."""
    differences = (values[variant] - values[reference]).dropna()
    result = estimate(differences)
    p_value = float("nan")
    if result.n > 1 and result.sd > 0:
        p_value = float(stats.ttest_1samp(differences, 0.0).pvalue)
    return {
        "difference": result.mean,
        "difference_low": result.low,
        "difference_high": result.high,
        "p_value": p_value,
    }


def summarise(metrics: pd.DataFrame) -> pd.DataFrame:
    """The table `statistics.csv`: per study, variant, metric and split at the end of training.

    Columns beside the run's settings: `n`, `mean`, `sd`, `low`, `high` over seeds;
    `difference`, `difference_low`, `difference_high`, `p_value` against the reference, paired by
    seed (p values are not corrected for the number of comparisons); `selected`: names of the
    selections that this variant won.
    """
    settings = metrics.drop_duplicates(["study", "variant"]).set_index(["study", "variant"])
    rows = []
    groups = metrics[["study", "metric", "split"]].drop_duplicates()
    for study in groups["study"].unique():
        won = winners(metrics, STUDIES[study])
        for _, _, metric, split in groups[groups["study"] == study].itertuples():
            values = final_values(metrics, study, metric, split)
            for variant in [v.name for v in STUDIES[study].variants if v.name in values]:
                of_run = settings.loc[(study, variant)]
                rows.append(
                    {"study": study, "scale": of_run["scale"], "recipe": of_run["recipe"]}
                    | {"variant": variant, "metric": metric, "split": split}
                    | of_run[
                        ["label", "series", "epsilon", "terms", "gamma", "learning_rate"]
                    ].to_dict()
                    | asdict(estimate(values[variant].dropna()))
                    | paired_difference(values, variant, STUDIES[study].reference)
                    | {"selected": " ".join(name for name, v in won.items() if v == variant)}
                )
    return pd.DataFrame(rows).astype({"terms": "Int64"})


def read_statistics(path: Path) -> pd.DataFrame:
    """Read `statistics.csv`; empty texts stay texts."""
    table = pd.read_csv(path, dtype={"epsilon": str, "selected": str})
    return table.fillna({"epsilon": "", "selected": ""})
