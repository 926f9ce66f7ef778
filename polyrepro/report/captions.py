"""Captions of figures: Snakemake's own report and ours share the files of `workflow/report`.

Every number in them stands as `{{ snakemake.params.numbers.<name> }}`, which Snakemake fills in
from the rule of the figure, and this file for the report.
"""

import re
from pathlib import Path

from polyrepro.errors import PolyreproError
from polyrepro.figures import FIGURES, file_of
from polyrepro.report.caption_numbers import caption_numbers

FOLDER = Path(__file__).parents[2] / "workflow" / "report"

PLACE = re.compile(r"{{ snakemake\.params\.numbers\.(\w+) }}")


class CaptionError(PolyreproError):
    """A figure without a caption, or a caption with an unknown number; the text says where."""


def caption(name: str) -> str:
    """The caption of a file of figures, or of the atlas, in one line.

    Raises:
        CaptionError: if it was not written, or names a number that there is not.
    """
    path, numbers = FOLDER / f"{name}.rst", caption_numbers()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CaptionError(
            f"figure {name!r} has no caption; write one sentence or two into {path}"
        ) from None
    if unknown := set(PLACE.findall(text)) - numbers.keys():
        raise CaptionError(
            f"{path}: there is no number {min(unknown)!r} for captions; add it to "
            "polyrepro/report/caption_numbers.py"
        )
    text = PLACE.sub(lambda place: numbers[place[1]], text)
    return " ".join(text.split()).replace("'", "’")


def captions() -> dict[str, str]:
    """The captions of all figures of studies, claims and losses, by their names."""
    return {name: caption(file_of(name)) for name in FIGURES}
