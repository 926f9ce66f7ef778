"""Results of other scales that were committed, so that one report shows them beside its own."""

from pathlib import Path

import pandas as pd

from polyrepro.analysis.statistics import read_statistics
from polyrepro.figures.names import labels_of, read_claims
from polyrepro.report.claim_values import judged_claims

FOLDER = Path(__file__).parents[2] / "results" / "reference"
NEEDED = {"scale", "decisive_low", "contrast_outcome", "note"}


def reference_values(scale: str, folder: Path = FOLDER) -> list[dict]:
    """The judged claims of each committed scale but this report's own.

    A table from before the outcomes had their present definitions is left out.
    """
    found = []
    for path in sorted(folder.glob("*/claims.csv")):
        if not set(pd.read_csv(path, nrows=0).columns) >= NEEDED:
            continue
        claims = read_claims(path)
        judged = claims[(claims["contrast"] != "") & (claims["scale"] != scale)]
        if len(judged):
            labels = labels_of(read_statistics(path.with_name("statistics.csv")))
            claims = judged_claims(pd.DataFrame(judged), labels)
            found.append({"scale": judged["scale"].iloc[0], "claims": claims})
    return found
