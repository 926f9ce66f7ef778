"""Write the tables and numbers of README.md, each between its markers, from where they live.

    python scripts/readme_tables.py

The results are those of the two reference runs, as the pipeline summed their `claims.csv` up; the
prices are those of `polyrepro estimate --scale paper`.
"""

import re
from pathlib import Path

import pandas as pd

from polyrepro.analysis.statistics import read_statistics
from polyrepro.estimate import GIVEN, estimate, read_throughputs, study_rows, sums
from polyrepro.plan import Plan
from polyrepro.report.labels import interval, number, signed
from polyrepro.settings import CONFIGURATIONS, check_settings, read_config
from polyrepro.studies import STUDIES

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
QUICK = ROOT / "results/reference/embedded"
MORE_SEEDS = ROOT / "results/reference/embedded_full"
TRUNCATED = ("truncated_n500", "truncated_n300", "truncated_n100")


def results() -> str:
    """The claims as many seeds decide them, beside the outcome of `make reproduce`."""
    quick = {claim: outcome for claim, *_, outcome in _claims(QUICK)}
    table = [[*cells, quick.pop(cells[0], "not run there")] for cells in _claims(MORE_SEEDS)]
    header = ["claim", "published", "measured, many seeds", "outcome", "`make reproduce`"]
    lines = [header, ["---"] * len(header), *table]
    if quick:
        raise ValueError(f"{MORE_SEEDS} lacks claims that {QUICK} has: {', '.join(quick)}")
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _claims(reference: Path) -> list[list[str]]:
    """The cells of the table of claims in a reference's summary."""
    lines = (reference / "summary.md").read_text().splitlines()
    _, _, *rows = (line for line in lines if line.startswith("|"))
    return [row.strip("| ").split(" | ") for row in rows]


def more_seeds() -> str:
    """What many seeds measured of the first coefficient and of the truncated series."""
    sweep = _test_top1(MORE_SEEDS / "statistics.csv", "epsilon_sweep")
    series = _test_top1(MORE_SEEDS / "statistics.csv", "truncation")
    baseline = sweep.loc["cross_entropy"]
    changes = [_change(sweep.loc[name]) for name in ("poly1_e+1", "poly1_e-1")]
    costs = [_change(series.loc[name]) for name in TRUNCATED]
    return (
        f"Cross-entropy reaches {number(baseline['mean'], 1)} % top-1 on a thousand characters "
        f"({baseline['n']} seeds).\nThe difference to it is, in points with 95 % intervals:\n"
        + "".join(f"\n- {text}" for text in changes + costs)
    )


def _test_top1(path: Path, study: str) -> pd.DataFrame:
    rows = read_statistics(path)
    chosen = (rows["study"] == study) & (rows["metric"] == "top1") & (rows["split"] == "test")
    return rows[chosen].set_index("variant")


def _change(row: pd.Series) -> str:
    ends = interval(row["difference_low"], row["difference_high"], 1, signed)
    return f"{row['label']}: {signed(row['difference'], 1)} ({ends}, {row['n']} seeds)"


def prices() -> str:
    """What each study costs at the paper's scale, and the sums."""
    config = read_config(CONFIGURATIONS["paper"])
    costs = estimate(Plan(check_settings(config)), read_throughputs(GIVEN))
    (name, *header), *rows = study_rows(costs)
    table = [[name, "title", *header], ["---", "---", *["--:"] * len(header)]]
    for study, *cells in rows:
        known = study in STUDIES
        table.append([f"`{study}`", STUDIES[study].title, *cells] if known else [study, "", *cells])
    lines = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([*lines, "", sums(costs)])


def with_tables(text: str) -> str:
    """The README with all tables written anew.

    Raises:
        ValueError: if the markers of a table are not there exactly once.
    """
    written = {"results": results(), "seeds": more_seeds(), "prices": prices()}
    for name, table in written.items():
        begin, end = f"<!-- begin {name}: scripts/readme_tables.py -->", f"<!-- end {name} -->"
        between = re.compile(rf"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", re.DOTALL)
        text, count = between.subn(lambda _, table=table: f"\n{table}\n\n", text)
        if count != 1:
            raise ValueError(f"{README} needs {begin!r} and {end!r}, once each, in this order")
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
