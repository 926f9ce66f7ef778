"""What studies must agree on with each other, with the recipes and with the published record.

Checked when the studies are imported: a mistake is found before anything is trained.
"""

import csv
import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from polyrepro.errors import PolyreproError
from polyrepro.recipes import RECIPES
from polyrepro.studies.study import Selection, Study
from polyrepro.variants import Variant

STATEMENTS = Path(__file__).parents[2] / "results" / "published" / "statements.csv"


class StudyError(PolyreproError, ValueError):
    """A study that cannot be run or judged; the text says which, why and how to mend it."""


def check_studies(studies: Iterable[Study], scales: Sequence[str]) -> None:
    """Check all studies together.

    Raises:
        StudyError: for an unknown scale, recipe or published row, for a name of a variant that
            means two losses, and for a selection or claim whose name is taken.
    """
    variants: dict[str, Variant] = {}
    selections: dict[str, Selection] = {}
    claims: dict[str, str] = {}
    published = _published()
    for study in studies:
        for scale, recipe in study.recipes.items():
            _require(scale in scales, study, f"unknown scale {scale!r}", scale, scales)
            _require(recipe in RECIPES, study, f"unknown recipe {recipe!r}", recipe, RECIPES)
        for variant in study.variants:
            if variants.setdefault(variant.name, variant) != variant:
                raise StudyError(
                    f"study {study.name}: the variant {variant.name} means another training in "
                    "another study; give one of them another name"
                )
        for selection in study.selections:
            if selections.setdefault(selection.name, selection) != selection:
                raise StudyError(
                    f"study {study.name}: there is another selection {selection.name}; rename one"
                )
        for claim in study.claims:
            if claim.name in claims:
                raise StudyError(
                    f"study {study.name}: there is a claim {claim.name} in {claims[claim.name]}, "
                    "too; rename one"
                )
            claims[claim.name] = study.name
            row = claim.published
            _require(
                row is None or row in published,
                study,
                f"claim {claim.name}: no published statement {row!r} in {STATEMENTS.name}",
                str(row),
                published,
            )


def _require(holds: bool, study: Study, problem: str, given: str, known: Iterable[str]) -> None:
    if not holds:
        close = difflib.get_close_matches(given, list(known), n=1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        raise StudyError(f"study {study.name}: {problem}{guess}")


def _published() -> set[str]:
    """Ids of the published statements; the installed package without a checkout has none."""
    try:
        with open(STATEMENTS, encoding="utf-8", newline="") as file:
            return {row["id"] for row in csv.DictReader(file)}
    except FileNotFoundError:
        raise StudyError(
            f"{STATEMENTS} does not exist; the studies need a checkout of the project, not the "
            "installed package alone"
        ) from None
