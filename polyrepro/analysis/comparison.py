"""The verdict table for records made elsewhere, as text for a terminal."""

import math
from pathlib import Path

from polyrepro.analysis.claims import evaluate_claims
from polyrepro.analysis.metrics_table import read_metrics
from polyrepro.analysis.outcomes import OUTCOMES
from polyrepro.analysis.significance import CONFIDENCE_PERCENT

INTERVAL = f"{CONFIDENCE_PERCENT} % interval"
HEADER = ("claim", "measured", INTERVAL, "decides", "n", "published", "outcome")


def verdict_table(path: Path) -> str:
    """The claims that a table of metrics decides, with published gains and outcomes.

    Args:
        path: a table with at least the columns `study`, `variant`, `seed`, `metric`, `split`,
            `epoch` and `value`; a column `scale` that says `paper` claims the paper's own data and
            models.

    Raises:
        MetricsError: naming file, row and column, if the table cannot be used.
    """
    metrics = read_metrics(path)
    claims = evaluate_claims(metrics)
    judged = claims[claims["contrast"] != ""]
    rows = [HEADER, *(_cells(row) for row in judged.to_dict("records"))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    padded = [[c.ljust(w) for c, w in zip(row, widths, strict=True)] for row in rows]
    lines = ["  ".join(row).rstrip() for row in padded]
    lines.insert(1, "-" * max(len(line) for line in lines))
    notes = judged[judged["note"] != ""].drop_duplicates(["claim", "note"])
    if len(notes):
        lines += ["", "Notes"]
        lines += [f"  {row.claim}: {row.note}" for row in notes.itertuples()]
    lines += ["", "Outcomes"]
    shown = [outcome for outcome in OUTCOMES if outcome in set(judged["outcome"])]
    lines += [f"  {outcome}: {OUTCOMES[outcome]}" for outcome in shown]
    left = len(set(claims["claim"]) - set(judged["claim"]))
    scale = metrics["scale"].iloc[0]
    lines += ["", f"{left} further claims have no runs in this table. Scale: {scale}."]
    return "\n".join(lines)


def _cells(row: dict) -> tuple[str, ...]:
    gain = row["published_gain"]
    published = "" if math.isnan(gain) else f"{gain:+.1f} ({row['published_status']})"
    return (
        f"{row['claim']}: {row['contrast']}",
        _number(row["measured"]),
        _interval(row["low"], row["high"]),
        _interval(row["decisive_low"], row["decisive_high"]),
        f"{row['n']} of {row['planned']}",
        published,
        row["outcome"],
    )


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.3g}"


def _interval(low: float, high: float) -> str:
    return "-" if math.isnan(low) else f"{low:+.3g} to {high:+.3g}"
