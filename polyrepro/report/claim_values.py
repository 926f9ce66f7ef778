"""The claims: numbered, with what was measured, what is published, and what came of it."""

from pathlib import Path

import pandas as pd

from polyrepro.analysis.metrics_checks import MetricsError, row_number
from polyrepro.analysis.outcomes import OUTCOMES
from polyrepro.estimate import plan_prices
from polyrepro.figures.names import contrast_label, told_apart, unit_of
from polyrepro.plan import Plan
from polyrepro.report.labels import METRIC_LABELS, interval, number, seeds_text, signed
from polyrepro.studies import STUDIES
from polyrepro.studies.study import Study
from polyrepro.variants import REFERENCE

SIMULATED = Path(__file__).parents[2] / "results" / "reference" / "verdicts.csv"
DIGITS = {"P_t": 3, "share of the gradient": 3, "steps": 1}
"""Decimals of a unit; others, points of accuracy and precision, have two."""
UNPRICED = "unknown"
"""Instead of a price where no throughput of the recipe is known."""


def judged_claims(
    claims: pd.DataFrame,
    labels: dict[tuple[str, str], str],
    recipes: dict[tuple[str, str], str] | None = None,
) -> list[dict]:
    """One entry per claim that this report judges, with its contrasts.

    Args:
        labels: of variants, by study and variant.
        recipes: the same, names of the recipes below which the records of the runs lie; without it
            no number leads to its records.
    """
    entries = []
    for _, rows in claims[claims["contrast"] != ""].groupby("number", sort=False):
        first = rows.iloc[0]
        measured = {of: label for (study, of), label in labels.items() if study == first["study"]}
        known = _names(STUDIES[first["study"]]) | measured
        folders = {
            name: f"runs/{recipe}/{name}/"
            for (study, name), recipe in (recipes or {}).items()
            if study == first["study"]
        }
        several = len({_metric(contrast) for contrast in rows["contrast"]}) > 1
        entries.append(
            _about(first)
            | {
                "title": STUDIES[first["study"]].title,
                "verdict": first["verdict"],
                "of_gain": _is_of_gain(rows),
                "contrasts": [
                    _contrast(row, known, folders)
                    | ({"contrast": _named(row["contrast"], known)} if several else {})
                    for row in rows.to_dict("records")
                ],
                "notes": _in_words(rows["note"], known),
            }
        )
    return entries


def _names(study: Study) -> dict[str, str]:
    """What is said of variants and selections without runs."""
    names = {variant.name: variant.label or variant.loss.label for variant in study.variants}
    names |= {f"@{selection.name}": "the chosen variant" for selection in study.selections}
    return names | {REFERENCE: "CE"}


def _in_words(notes: pd.Series, labels: dict[str, str]) -> str:
    """The notes of a claim, each once, with labels instead of the names of variants."""
    single = dict.fromkeys(part for note in notes for part in note.split("; ") if part)
    return "; ".join(" ".join(labels.get(word, word) for word in note.split()) for note in single)


def _about(row: pd.Series) -> dict:
    keys = ("number", "study", "claim", "scale", "statement", "quantity", "outcome", "published")
    gain = row["published_gain"]
    return {key: row[key] for key in keys} | {
        "published_status": row["published_status"],
        "gain": signed(gain, 1) if pd.notna(gain) else "–",
    }


def _metric(contrast: str) -> str:
    return contrast.split(" ")[0]


def _named(contrast: str, labels: dict[str, str]) -> str:
    """A contrast in words with its metric, of a claim about several."""
    return told_apart(_metric(contrast)) + contrast_label(contrast, labels)


def _is_of_gain(rows: pd.DataFrame) -> bool:
    """Whether a claim of the paper's is that accuracy, AP or AR rises."""
    metrics = rows["contrast"].map(_metric)
    rises = metrics.isin(list(METRIC_LABELS)) & (rows["expected"] == "above 0")
    return bool(rows["published"].iloc[0]) and bool(rises.all())


def _contrast(row: dict, labels: dict[str, str], folders: dict[str, str]) -> dict:
    metric = _metric(row["contrast"])
    digits = DIGITS.get(unit_of(metric), 2)
    shown = signed if " - " in row["contrast"] else number  # a difference shows its sign
    gain = row["published_gain"]
    return {
        "unit": METRIC_LABELS.get(metric, unit_of(metric)),
        "contrast": contrast_label(row["contrast"], labels),
        "records": [
            {"label": labels.get(name, name), "path": folders[name]}
            for name in row["contrast"].split(" ")
            if name in folders
        ],
        "expected": row["expected"].replace("above", ">").replace("below", "<"),
        "measured": shown(row["measured"], digits),
        "interval": interval(row["low"], row["high"], digits, shown),
        "decisive": interval(row["decisive_low"], row["decisive_high"], digits, shown),
        "images": interval(row["images_low"], row["images_high"], digits, shown),
        "difference": signed(row["measured"] - gain, digits),
        "p": number(row["p_holm"], 3),
        "n": int(row["n"]),
        "planned": int(row["planned"]),
        "collapsed": int(row["collapsed"]),
        "outcome": row["contrast_outcome"],
        # No number of seeds shows that something is nothing; equality has a margin.
        "seeds_for_published": seeds_text(row["seeds_for_published"]) if gain != 0 else "–",
        "seeds_for_measured": seeds_text(row["seeds_for_measured"]) if row["measured"] else "–",
        "seeds_for_margin": seeds_text(row["seeds_for_margin"]),
    }


def claims_not_run(claims: pd.DataFrame) -> list[dict]:
    """What would run the claims that this report says nothing about: commands and prices."""
    entries = []
    waiting = claims[claims["contrast"] == ""]
    # One command runs all claims of a study.
    for (study, _), rows in waiting.groupby(["study", "scale"], sort=False):
        first = rows.iloc[0]
        entries.append(
            {
                "title": STUDIES[study].title if study else "No study",
                "scale": first["scale"],
                "claims": [_about(row) for _, row in rows.iterrows()],
                "command": first["command"] or first["note"],
                "runnable": bool(first["command"]),
                "price": (first["price"] or UNPRICED) if study else "–",
            }
        )
    return entries


def run_prices(plan: Plan) -> dict[str, str]:
    """What each study of this report costs, by name."""
    return {study: price or UNPRICED for study, price in plan_prices(plan).items()}


def outcome_counts(claims: list[dict]) -> list[dict]:
    """Each outcome with its definition and how many of the judged claims have it."""
    return [
        {
            "outcome": outcome,
            "definition": definition,
            "count": sum(claim["outcome"] == outcome for claim in claims),
        }
        for outcome, definition in OUTCOMES.items()
    ]


def simulation_values(path: Path = SIMULATED) -> dict | None:
    """Error rates of verdicts that `benchmarks/verdicts.py` simulated; None without its table.

    Raises:
        MetricsError: naming file, row and column of what is no rate.
    """
    if not path.exists():
        return None
    rows = pd.read_csv(path)
    rates = ["false_or_contrast", "false_worst_claim", "coverage", "right_per_claim"]
    outside = rows[rates].lt(0) | rows[rates].gt(1)
    if outside.any(axis=None):
        row = int(outside.any(axis="columns").idxmax())
        column = str(outside.loc[row].idxmax())
        raise MetricsError(
            f"{path}, row {row_number(row)}, column {column}: {rows[column][row]:g} is no rate "
            f"between 0 and 1; restore the table: git checkout -- {path}"
        )
    rows[rates] *= 100
    shown = [3, 5, 10, 20]
    with_intervals = rows[rows["seeds"] >= shown[0]]
    coverage = with_intervals.groupby("scenario")["coverage"].agg(["min", "max"])
    entries = []
    for scenario, of_scenario in rows.groupby("scenario", sort=False):
        by_seeds = of_scenario.set_index("seeds")
        entries.append(
            {
                "scenario": scenario,
                "false": [f"{by_seeds['false_or_contrast'][n]:.1f}" for n in shown],
                "claim": f"{by_seeds['false_worst_claim'].max():.1f}",
                "coverage": "{min:.1f} to {max:.1f}".format(**coverage.loc[scenario]),
                "right": [f"{by_seeds['right_per_claim'][n]:.0f}" for n in shown],
            }
        )
    return {
        "worst": f"{rows['false_or_contrast'].max():.1f}",
        "worst_claim": f"{rows['false_worst_claim'].max():.1f}",
        "lowest": f"{coverage['min'].min():.1f}",
        "highest": f"{coverage['max'].max():.1f}",
        "reports": int(rows["reports"].iloc[0]),
        "claims": int(rows["claims"].max()),
        "seeds": shown,
        "least_seeds": int(rows["seeds"].min()),
        "most_seeds": int(rows["seeds"].max()),
        "rows": entries,
    }
