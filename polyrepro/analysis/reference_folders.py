"""Which folders of results a report shows beside its own. Needs no pandas: the workflow imports it.

Such a folder is one of the user's with a finished report, or one below `results/reference`, where
the essence of a finished report was committed.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from polyrepro.errors import PolyreproError
from polyrepro.files import below_here

COMMITTED = Path(__file__).parents[2] / "results" / "reference"
TABLES = ("claims.csv", "statistics.csv")


class SourceError(PolyreproError):
    """A folder that cannot be shown beside a report."""


def reference_folders(results: Path, scale: str, listed: Sequence[str | Path]) -> list[Path]:
    """The folders that a report shows beside its own results, each once.

    Args:
        results: the report's own folder.
        scale: that of the report, the committed results of which are left out.
        listed: folders of the configuration, shown whatever their scale is.

    Raises:
        SourceError: naming the file that a listed folder lacks.
    """
    committed = [
        below_here(path.parent)
        for path in sorted(COMMITTED.glob("*/claims.csv"))
        if _scale(path) != scale
    ]
    folders = {folder.resolve(): folder for folder in (*committed, *map(Path, listed))}
    folders.pop(results.resolve(), None)
    for folder in folders.values():
        tables_in(folder)
    return list(folders.values())


def tables_in(folder: Path) -> list[Path]:
    """The tables of a folder with a finished report.

    Raises:
        SourceError: naming the one that does not exist.
    """
    tables = [folder / name for name in TABLES]
    for table in tables:
        if not table.exists():
            raise SourceError(
                f"{table} does not exist; a folder with a finished report has it: make that "
                "report, or remove the folder from `references`"
            )
    return tables


def files_shown(folders: Iterable[Path]) -> list[str]:
    """The files of such folders that a report may show."""
    patterns = (*TABLES, "provenance.json", "*.png", "figures/*.pdf")
    return [str(path) for f in folders for pattern in patterns for path in sorted(f.glob(pattern))]


def _scale(path: Path) -> str | None:
    """The scale of the first row of a table of claims, which a report begins with."""
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.DictReader(file), {}).get("scale")
