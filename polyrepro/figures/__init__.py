"""The figures by name. Importing this needs no matplotlib; the Snakefile does it to plan.

A figure of a study's own is one file in this folder with a function `figure`, and one line in
`OWN`. Two studies of the same kind may share a file: then the name of the second has a line in
`SHARED`, too, and `figure` takes the study. Without a figure of its own a study still has the one
that all have: each of its variants, by its label, against the reference.
"""

import difflib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from polyrepro.errors import PolyreproError
from polyrepro.studies import STUDIES

OWN: dict[str, str] = {
    "truncation": "truncation",
    "truncation_lr": "truncation_lr",
    "poly_n": "poly_n",
    "epsilon_sweep": "epsilon_sweep",
    "leading_share": "epsilon_sweep",
    "calibration": "epsilon_sweep",
    "long_tail": "long_tail",
    "gates": "gates",
    "mask_rcnn_epsilon": "mask_rcnn_epsilon",
    "mask_rcnn_pt": "mask_rcnn_epsilon",
    "mask_rcnn_detections": "mask_rcnn_epsilon",
    "retinanet_epsilon": "retinanet_epsilon",
    "retinanet_pt": "retinanet_epsilon",
    "pointpillars_epsilon": "pointpillars_epsilon",
    "pointpillars_pt": "pointpillars_epsilon",
    "pointpillars_detections": "pointpillars_epsilon",
    "pointpillars_kitti": "pointpillars_kitti",
    "pointpillars_kitti_pt": "pointpillars_kitti",
    "pointpillars_kitti_detections": "pointpillars_kitti",
    "range_segmentation": "range_segmentation",
    "range_segmentation_pt": "range_segmentation",
    "range_images": "range_segmentation",
}
"""Name of a figure, and of its file, to the study whose runs are shown."""

SHARED = {
    "pointpillars_kitti_pt": "pointpillars_pt",
    "pointpillars_kitti_detections": "pointpillars_detections",
}
"""Name of a figure to the file of another study's that draws it, with the same caption."""

GENERIC = "variants"
"""The file of the figure that every study has."""

OF_CLAIMS = ("forest",)
"""Figures of all claims of a report together."""

FIGURES: dict[str, str | None] = {
    "losses": None,
    **dict.fromkeys(OF_CLAIMS),
    **OWN,
    **{f"{study}_{GENERIC}": study for study in STUDIES},
}
"""Name to the study whose runs are shown; None: the losses themselves, or all claims."""


def file_of(name: str) -> str:
    """Name of the module in this folder that draws a figure; its caption has the same."""
    own = name in OWN or FIGURES[name] is None
    return SHARED.get(name, name) if own else GENERIC


def tables_of(name: str) -> tuple[str, ...]:
    """Names of the tables that a figure shows."""
    if name in OF_CLAIMS:
        return "claims.csv", "statistics.csv"
    return () if FIGURES[name] is None else ("metrics.csv", "statistics.csv")


class FigureError(PolyreproError):
    """A figure that cannot be drawn; the text says what is missing and how to get it."""


def draw(name: str, results: Path, references: Sequence[Path] = ()) -> None:
    """Draw one figure to `results/figures/<name>.pdf` and `.png`.

    Args:
        name: a key of `FIGURES`.
        results: folder with the tables of `tables_of`.
        references: other folders with such tables, which figures of all claims show beside them.

    Raises:
        FigureError: if there is no such figure, no table, or not its study in the tables.
        OSError: if the figures cannot be written.
    """
    # Imported here to keep the registry light.
    from polyrepro.figures.saving import save
    from polyrepro.figures.style import in_style

    if name not in FIGURES:
        close = difflib.get_close_matches(name, FIGURES, n=1)
        guess = f"; did you mean {close[0]!r}?" if close else "."
        raise FigureError(f"unknown figure {name!r}{guess} Known are: {', '.join(FIGURES)}")
    for table in tables_of(name):
        if not (results / table).exists():
            raise FigureError(
                f"{results / table} does not exist; make it with: "
                f"snakemake --cores 2 {results / table}"
            )
    with in_style():
        save(drawings(name, results, references), results / "figures" / name)


def drawings(name: str, results: Path, references: Sequence[Path] = ()) -> list:
    """The figure as objects of matplotlib, one for each page that it fills.

    Raises:
        FigureError: if the study of the figure is not in the tables.
    """
    module = import_module(f"polyrepro.figures.{file_of(name)}")
    if name in OF_CLAIMS:
        from polyrepro.analysis.references import read_sources

        return module.figure(read_sources(results, references))
    study = FIGURES[name]
    if study is None:
        return [module.figure()]
    from polyrepro.figures.measured import read_tables

    tables = read_tables(results)
    if study not in set(tables.statistics["study"]):
        raise FigureError(
            f"figure {name!r} needs the study {study!r}, which {results / 'statistics.csv'} does "
            f"not contain; add it to the configuration: snakemake --config studies={study}"
        )
    return [module.figure(tables) if file_of(name) == name else module.figure(tables, study)]
