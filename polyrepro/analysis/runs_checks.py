"""Which runs a table holds: the same one twice, or one that lacks a metric under its name."""

import difflib
from pathlib import Path

import pandas as pd

from polyrepro.analysis.exchanged import check_exchanged
from polyrepro.analysis.metrics_checks import MetricsError, row_number
from polyrepro.analysis.metrics_units import FRACTIONS, PERCENT, begins
from polyrepro.studies import STUDIES
from polyrepro.studies.study import Study

FEWEST_EQUAL = 5
"""Two seeds that agree in so many different values, and differ in none, are one run."""

RARE = 0.05
"""A misspelt metric is rare beside the one that is meant."""


def check_runs(table: pd.DataFrame, path: Path) -> None:
    """Refuse a table in which a run is there under two names.

    Args:
        table: without repeated rows.

    Raises:
        MetricsError: naming file, row and column, and how to mend it.
    """
    _check_run_ids(table, path)
    _check_copies(table, path)
    check_exchanged(table, path)


def check_metric_names(table: pd.DataFrame, path: Path) -> None:
    """Refuse a table with a misspelt metric, or without any that can be judged.

    Misspelt is one that differs from such a metric in capitals and signs alone, or one that is rare
    and stands where one of a similar name is missing.

    Raises:
        MetricsError: naming file, row and column, and the metric that is meant.
    """
    for name, of_study in table.groupby("study"):
        if name in STUDIES:
            _check_metrics_of_study(of_study, STUDIES[str(name)], path)
        _check_metric_names(of_study, path)


def _check_metrics_of_study(rows: pd.DataFrame, study: Study, path: Path) -> None:
    compared = [contrast.metric for claim in study.claims for contrast in claim.contrasts]
    about = list(dict.fromkeys([study.metric, *study.also, *compared]))
    plain = {_plain(name): name for name in about}
    for metric in rows["metric"].unique():
        meant = plain.get(_plain(metric))
        if meant and metric not in about:
            row = rows.index[rows["metric"] == metric][0]
            raise MetricsError(
                f"{path}, row {row_number(row)}, column metric: unknown metric {metric!r}; "
                f"did you mean {meant!r}?"
            )
    if not rows["metric"].isin(about).any() and not begins(rows, *PERCENT, *FRACTIONS).any():
        raise MetricsError(
            f"{path}, row {row_number(rows.index[0])}, column metric: {rows['metric'].iloc[0]!r} "
            f"is no metric that the study {study.name} is about; it has: {', '.join(about)}"
        )


def _plain(metric: str) -> str:
    return "".join(filter(str.isalnum, metric)).lower()


def _check_run_ids(table: pd.DataFrame, path: Path) -> None:
    """A run has one variant and seed, and a variant's seed has one run in a study."""
    for keys, column in ((["study", "run"], "seed"), (["study", "variant", "seed"], "run")):
        named = table["study"] + "\0" + table["variant"] + "\0" + table["seed"].astype(str)
        identity = named if column == "seed" else table["run"]
        first = identity.groupby([table[key] for key in keys]).transform("first")
        other = identity.index[identity != first]
        if len(other):
            row = table.loc[other[0]]
            same = (table[keys] == row[keys]).all(axis="columns")
            before = table[same].iloc[0]
            raise MetricsError(
                f"{path}, row {row_number(other[0])}, column {column}: seed {row['seed']} of "
                f"{row['variant']} with the run {row['run']!r}, beside seed {before['seed']} of "
                f"{before['variant']} with the run {before['run']!r} in row "
                f"{row_number(before.name)}; a run has one seed and one loss, and each of them one "
                "run: remove the run that is there twice"
            )


def _check_copies(table: pd.DataFrame, path: Path) -> None:
    """Two seeds of a variant, or two losses with a seed, with the same values are one run."""
    content = pd.util.hash_pandas_object(table[["metric", "split", "epoch", "value"]], index=False)
    of_run = ["study", "variant", "seed"]
    groups = table.assign(content=content).groupby(of_run)
    names = {"content": "sum", "value": "nunique", "series": "first", "epsilon": "first"}
    runs = groups.agg(names).reset_index()
    # A few round values may be those of several runs.
    runs = runs[runs["value"] >= FEWEST_EQUAL]
    # Coefficients of zero change no loss; a table without series does not say which one it is.
    loss = runs["series"] + "\0" + runs["epsilon"].str.replace(r"( 0)+$", "", regex=True)
    runs = runs.assign(loss=loss.where(runs["series"] != "", runs["variant"]))
    for keys, column in ((["variant"], "seed"), (["seed"], "variant")):
        alike = runs.duplicated(["study", *keys, "content"])
        if column == "variant":
            alike &= ~runs.duplicated(["study", *keys, "content", "loss"])
        if alike.any():
            copy = runs[alike].iloc[0]
            keys = ["study", *keys, "content"]
            same = (runs[keys] == copy[keys]).all(axis="columns")
            row = table.index[(table[of_run] == copy[of_run]).all(axis="columns")][0]
            raise MetricsError(
                f"{path}, row {row_number(row)}, column {column}: all values of seed "
                f"{copy['seed']} of {copy['variant']} in {copy['study']} are those of {column} "
                f"{runs[column][same].iloc[0]}; a run was copied under another {column}: remove it"
            )


def _check_metric_names(rows: pd.DataFrame, path: Path) -> None:
    at = ["variant", "seed", "split", "epoch"]
    counts = rows["metric"].value_counts()
    for rare in counts.index[counts <= RARE * counts.max()]:
        usual = [name for name in counts.index if counts[rare] <= RARE * counts[name]]
        for meant in difflib.get_close_matches(rare, usual, n=1, cutoff=0.75):
            known = pd.MultiIndex.from_frame(rows.loc[rows["metric"] == meant, at])
            of_rare = rows[rows["metric"] == rare]
            alone = of_rare[~pd.MultiIndex.from_frame(of_rare[at]).isin(known)]
            if len(alone):
                row = alone.iloc[0]
                raise MetricsError(
                    f"{path}, row {row_number(row.name)}, column metric: {rare!r} where seed "
                    f"{row['seed']} of {row['variant']} in {row['study']} has no {meant!r} "
                    f"({row['split']}, epoch {row['epoch']:g}); did you mean {meant!r}?"
                )
