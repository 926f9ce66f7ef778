"""What the report says about the loss atlas: its figures, and each statement with its outcome."""

import re
from pathlib import Path

import pandas as pd

from polyrepro.atlas import PROPERTIES_FILE, STATEMENTS_FILE, THEMES
from polyrepro.report.captions import caption

OUTCOMES = ("shown", "contradicted", "undecided", "left out")


def atlas_values(results: Path) -> dict | None:
    """Values of the appendix, from the files below `results/atlas`; None if there are none."""
    folder = results / "atlas"
    if not (folder / STATEMENTS_FILE).exists():
        return None
    statements = pd.read_csv(folder / STATEMENTS_FILE)
    counts = statements["outcome"].value_counts()
    return {
        "count": len(statements),
        "outcomes": [{"outcome": o, "count": int(counts.get(o, 0))} for o in OUTCOMES],
        "themes": {
            theme: {
                "title": title,
                "caption": caption(f"atlas_{theme}"),
                "figure": f"atlas/{theme}.pdf",
                "statements": [
                    row | {key: _with_minus_signs(row[key]) for key in ("text", "evidence")}
                    for row in statements[statements["theme"] == theme].to_dict("records")
                ],
            }
            for theme, title in THEMES.items()
        },
        "properties": [
            {key: _in_words(value) for key, value in row.items()}
            for row in pd.read_csv(folder / PROPERTIES_FILE).to_dict("records")
        ],
    }


def _in_words(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _with_minus_signs(text: str) -> str:
    """A hyphen is a minus sign before a number or K, and between spaces, but not within a word."""
    return re.sub(r"(?<!\w)-(?=[\dK])|(?<=\de)-(?=\d)|(?<= )-(?= )", "−", text)
