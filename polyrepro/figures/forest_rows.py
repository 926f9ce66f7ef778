"""The rows of the forest of claims: each contrast that was measured, with its words and marks."""

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from polyrepro.analysis.outcomes import EQUIVALENT
from polyrepro.analysis.references import Source, claim_numbers, contrasts_by_source
from polyrepro.figures import rows
from polyrepro.figures.names import (
    PRECISION_OR_RECALL_UNIT,
    contrast_label,
    labels_of,
    told_apart,
    unit_of,
)
from polyrepro.studies import STUDIES
from polyrepro.studies.claim import Contrast

WIDEST_LABEL = 50
BETWEEN_SOURCES = 0.62
"""Distance between the marks of two sources, in units of a row."""

GLUE = "\N{NO-BREAK SPACE}"
PARENTHESES = re.compile(r" \([^)]*\)")
BEFORE_A_TERM = re.compile(r" (?=[−+] )")
"""Not within parentheses, nor before one, once their spaces are glue."""


@dataclass(frozen=True)
class Row:
    """One contrast of a claim.

    Attributes:
        marks: place of a source and its row of `claims.csv`.
        outcomes: of the claim as a whole, by source; beside the first contrast of a claim only.
        single: whether the claim has this contrast alone, to which a published gain belongs.
    """

    label: str
    contrast: Contrast
    marks: tuple[tuple[int, pd.Series], ...]
    outcomes: bool
    single: bool

    @property
    def unit(self) -> str:
        """What the panel of the row is about: AP and AR have panels of their own."""
        unit = unit_of(self.contrast.metric)
        if unit != PRECISION_OR_RECALL_UNIT:
            return unit
        return "points of AR" if "_ar" in self.contrast.metric else "points of AP"

    @property
    def gain(self) -> float:
        """The published gain that the contrast is compared with; NaN if none was verified."""
        row = self.marks[0][1]
        verified = self.single and row["published_status"] == "verified"
        return float(row["published_gain"]) if verified else math.nan

    def places(self, y: float) -> list[tuple[float, int, pd.Series]]:
        """Height of each mark around the middle of the row, with its source and its values."""
        top = y - BETWEEN_SOURCES * (len(self.marks) - 1) / 2
        return [(top + BETWEEN_SOURCES * n, *mark) for n, mark in enumerate(self.marks)]

    @property
    def height(self) -> float:
        """In units of `rows.ROW_HEIGHT`."""
        return max(rows.lines_of(self.label), 1 + BETWEEN_SOURCES * (len(self.marks) - 1))


def forest_rows(sources: Sequence[Source]) -> list[Row]:
    """The measured contrasts in the order of the studies."""
    found = []
    numbers = claim_numbers(sources)
    labels = [labels_of(source.statistics) for source in sources]
    for study in STUDIES.values():
        for claim in study.claims:
            contrasts = contrasts_by_source(claim.name, sources)
            for number, (contrast, measured) in enumerate(contrasts):
                if claim.step_down and number and not _examined(contrasts[:number]):
                    break
                marks = tuple((i, row) for i, row in enumerate(measured) if row is not None)
                first, row = marks[0]
                known = {name: label for (of, name), label in labels[first].items()}
                known |= {n: label for (of, n), label in labels[first].items() if of == study.name}
                text = f"{numbers[claim.name]}  {told_apart(contrast.metric)}"
                text += contrast_label(row["contrast"], known)
                found.append(Row(wrapped(text), contrast, marks, not number, len(contrasts) == 1))
    return found


def _examined(before: Iterable[tuple[Contrast, list[pd.Series | None]]]) -> bool:
    """Whether any source gets to a step: all before it hold there."""
    of_sources = zip(*(measured for _, measured in before), strict=True)
    return any(
        all(row is not None and row["contrast_outcome"] == EQUIVALENT for row in steps)
        for steps in of_sources
    )


def wrapped(label: str) -> str:
    """A long label in lines that break before the sign of a variant, or else between words."""
    terms = BEFORE_A_TERM.sub(
        "\n", PARENTHESES.sub(lambda found: found[0].replace(" ", GLUE), label)
    )
    lines = [""]
    for term in terms.split("\n"):
        if len(lines[-1]) + 1 + len(term) <= WIDEST_LABEL:
            lines[-1] = f"{lines[-1]} {term}".strip()
        else:
            lines += textwrap.wrap(term, WIDEST_LABEL)
    return "\n".join(line for line in lines if line).replace(GLUE, " ")
