"""Captions of figures: Snakemake's own report and ours share the files of `workflow/report`."""

from pathlib import Path

from polyrepro.analysis.significance import CONFIDENCE_PERCENT
from polyrepro.errors import PolyreproError
from polyrepro.figures import FIGURES, file_of

FOLDER = Path(__file__).parents[2] / "workflow" / "report"

CONFIDENCE = "{{ snakemake.params.confidence }}"
"""How a caption names the coverage of its intervals; Snakemake fills it in from the rule."""


class CaptionError(PolyreproError):
    """A figure without a caption; the text says which file is missing."""


def caption(name: str) -> str:
    """The caption of a file of figures, or of the atlas, in one line.

    Raises:
        CaptionError: if it was not written.
    """
    path = FOLDER / f"{name}.rst"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CaptionError(
            f"figure {name!r} has no caption; write one sentence or two into {path}"
        ) from None
    return " ".join(text.split()).replace(CONFIDENCE, CONFIDENCE_PERCENT).replace("'", "’")


def captions() -> dict[str, str]:
    """The captions of all figures of studies, claims and losses, by the names of their files."""
    return {name: caption(name) for name in sorted(set(map(file_of, FIGURES)))}
