"""Copy what a finished configuration says into `results/reference/`, to be committed.

python scripts/save_reference.py results/embedded results/reference/embedded

Tables, summary and provenance always; `runs.csv`, the test metrics of each run at its end, and the
figures that the folder has already, or that are named.
"""

import argparse
import json
import shutil
from pathlib import Path

import pandas as pd

TABLES = ("claims.csv", "statistics.csv", "summary.md")
KEYS = ["recipe", "variant", "label", "seed"]
COLUMNS = [*KEYS, "run", "split", "metric", "value"]


def main() -> None:
    """Refuses a folder without a report: what is saved belongs together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--figures", nargs="*", default=[], help="names, without suffix")
    options = parser.parse_args()
    report = options.results / "report.json"
    if not report.exists():
        parser.error(f"{report} does not exist; make the report first")
    options.reference.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        shutil.copyfile(options.results / name, options.reference / name)
    present = {path.stem for path in options.reference.glob("*.png")}
    for name in sorted(present | set(options.figures)):
        shutil.copyfile(options.results / f"figures/{name}.png", options.reference / f"{name}.png")
    provenance = json.loads(report.read_text())["provenance"]
    text = json.dumps(provenance, indent=1, ensure_ascii=False)
    (options.reference / "provenance.json").write_text(text + "\n", encoding="utf-8")
    table = runs_table(pd.read_csv(options.results / "metrics.csv", usecols=COLUMNS))
    table.to_csv(options.reference / "runs.csv", index=False)


def runs_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """The test metrics of each run at its end, a row per run and a column per metric."""
    test = metrics[metrics["split"] == "test"].drop_duplicates(["run", "metric"])
    table = test.pivot(index=KEYS, columns="metric", values="value").round(4)
    return table.sort_index().reset_index()


if __name__ == "__main__":
    main()
