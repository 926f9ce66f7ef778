"""Write the tables of README.md, each between its markers, from where their numbers live.

    python scripts/readme_tables.py

The results are those of the reference run, as the pipeline summed its `claims.csv` up; the prices
are those of `polyrepro estimate --scale paper`.
"""

import re
from pathlib import Path

from polyrepro.estimate import GIVEN, estimate, read_throughputs, study_rows, sums
from polyrepro.plan import Plan
from polyrepro.settings import CONFIGURATIONS, check_settings, read_config
from polyrepro.studies import STUDIES

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SUMMARY = ROOT / "results/reference/embedded/summary.md"


def results() -> str:
    """The table of claims in the reference's summary."""
    return "\n".join(line for line in SUMMARY.read_text().splitlines() if line.startswith("|"))


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
    for name, table in (("results", results()), ("prices", prices())):
        begin, end = f"<!-- begin {name}: scripts/readme_tables.py -->", f"<!-- end {name} -->"
        between = re.compile(rf"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", re.DOTALL)
        text, count = between.subn(lambda _, table=table: f"\n{table}\n\n", text)
        if count != 1:
            raise ValueError(f"{README} needs {begin!r} and {end!r}, once each, in this order")
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
