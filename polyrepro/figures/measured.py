"""What the figures show: estimates of `statistics.csv` and, behind them, seeds of `metrics.csv`."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from polyrepro.analysis.collapse import collapsed_runs
from polyrepro.analysis.metrics_table import final_values, read_metrics
from polyrepro.analysis.statistics import read_statistics
from polyrepro.studies import STUDIES
from polyrepro.variants import POLY_SERIES


@dataclass(frozen=True)
class Measured:
    """One metric of several variants at the end of training.

    Attributes:
        rows: a row per variant (the index): its settings as in `statistics.csv`, and `mean` with
            its 95 % t interval `low`, `high` (NaN for a single seed).
        seeds: a row per seed, a column per variant.
        reference: the variant that the others are compared with.
    """

    rows: pd.DataFrame
    seeds: pd.DataFrame
    reference: str

    def where(self, condition: pd.Series) -> "Measured":
        """Only the variants for which the condition, indexed like `rows`, holds."""
        rows = self.rows[condition]
        return Measured(rows, self.seeds[rows.index], self.reference)

    @property
    def of_family(self) -> "Measured":
        """Only losses of the paper's family: others have no coefficients to be drawn at."""
        return self.where(self.rows["series"] == POLY_SERIES)

    @property
    def epsilon_curve(self) -> "Measured":
        """The reference, and the losses that differ from it in the first coefficient alone."""
        rows = self.rows
        alike = rows["series"] == POLY_SERIES
        for setting in ("gamma", "terms", "learning_rate"):
            usual = rows.loc[self.is_reference, setting]
            if len(usual):
                value = usual.iloc[0]
                same = rows[setting].isna() if pd.isna(value) else rows[setting].eq(value)
                alike &= same.fillna(False).astype(bool)
        single = rows["epsilon"].str.split().str.len() == 1
        return self.where(self.is_reference | (alike & single))

    @property
    def epsilon1(self) -> pd.Series:
        """First coefficient of each variant; the reference is the point 0 of the same axis."""
        return self.rows["epsilon"].map(lambda text: float(text.split()[0]) if text else 0.0)

    @property
    def is_reference(self) -> pd.Series:
        """Which variant is the reference: in most studies cross-entropy."""
        return pd.Series(self.rows.index == self.reference, self.rows.index)

    def is_selected(self, selection: str) -> pd.Series:
        """Which variant a selection (on validation images) chose."""
        return self.rows["selected"].map(lambda names: selection in names.split()).astype(bool)


@dataclass(frozen=True)
class Tables:
    """`metrics.csv` and `statistics.csv` of a results folder.

    Attributes:
        results: the folder, in which runs keep what no table holds.
    """

    metrics: pd.DataFrame
    statistics: pd.DataFrame
    results: Path

    def runs(self, study: str) -> pd.DataFrame:
        """A row per run of a study: `variant`, `seed`, `dataset` and `run`, its id."""
        rows = self.metrics[self.metrics["study"] == study]
        return rows.drop_duplicates("run")[["variant", "seed", "dataset", "run"]]

    def collapsed(self, study: str) -> pd.DataFrame:
        """Which runs have learnt nothing: a row per seed, a column per variant."""
        return collapsed_runs(self.metrics, study)

    def measured(
        self, study: str, metric: str, *, split: str = "test", paired: bool = False
    ) -> Measured:
        """A metric of all variants of a study.

        Args:
            paired: give differences to the reference, seed by seed, instead of values; the
                reference's own is zero by definition and has no seeds.
        """
        reference = STUDIES[study].reference
        rows = self.statistics.query("study == @study and metric == @metric and split == @split")
        rows = rows.set_index("variant")
        seeds = final_values(self.metrics, study, metric, split).reindex(columns=rows.index)
        if paired:
            rows = rows.drop(columns=["mean", "low", "high"]).rename(
                columns=lambda name: name.replace("difference_", "").replace("difference", "mean")
            )
            none = pd.Series(float("nan"), seeds.index)
            seeds = seeds.sub(seeds.get(reference, none), axis="index")
            if reference in seeds:
                seeds[reference] = float("nan")
        return Measured(rows, seeds, reference)


def read_tables(results: Path) -> Tables:
    """Read both tables of a results folder."""
    metrics, statistics = results / "metrics.csv", results / "statistics.csv"
    return Tables(read_metrics(metrics), read_statistics(statistics), results)
