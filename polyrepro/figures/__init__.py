"""The figures by name. Importing this needs no matplotlib; the Snakefile does it to plan.

A new figure is one file in this folder with a function `figure`, and one line in `FIGURES`.
"""

import difflib
from importlib import import_module
from pathlib import Path

from polyrepro.errors import PolyreproError

FIGURES: dict[str, str | None] = {
    "losses": None,
    "truncation": "truncation",
    "truncation_lr": "truncation_lr",
    "poly_n": "poly_n",
    "epsilon_sweep": "epsilon_sweep",
    "leading_share": "epsilon_sweep",
    "calibration": "epsilon_sweep",
    "long_tail": "long_tail",
    "mask_rcnn_epsilon": "mask_rcnn_epsilon",
    "mask_rcnn_pt": "mask_rcnn_epsilon",
    "mask_rcnn_detections": "mask_rcnn_epsilon",
    "retinanet_epsilon": "retinanet_epsilon",
    "retinanet_pt": "retinanet_epsilon",
}
"""Name to the study whose runs are shown; None: the figure shows the losses themselves."""


class FigureError(PolyreproError):
    """A figure that cannot be drawn; the text says what is missing and how to get it."""


def draw(name: str, results: Path) -> None:
    """Draw one figure to `results/figures/<name>.pdf` and `.png`.

    Args:
        name: a key of `FIGURES`.
        results: folder with `metrics.csv` and `statistics.csv`; a figure without a study reads
            neither.

    Raises:
        FigureError: if there is no such figure, no table, or not its study in the tables.
        OSError: if the figures cannot be written.
    """
    # Imported here to keep the registry light.
    from polyrepro.figures.measured import read_tables
    from polyrepro.figures.style import in_style, save

    if name not in FIGURES:
        close = difflib.get_close_matches(name, FIGURES, n=1)
        guess = f"; did you mean {close[0]!r}?" if close else "."
        raise FigureError(f"unknown figure {name!r}{guess} Known are: {', '.join(FIGURES)}")
    study = FIGURES[name]
    try:
        tables = [] if study is None else [read_tables(results)]
    except FileNotFoundError as error:
        raise FigureError(
            f"{error.filename} does not exist; make it with: snakemake --cores 2 {error.filename}"
        ) from None
    if tables and study not in set(tables[0].statistics["study"]):
        raise FigureError(
            f"figure {name!r} needs the study {study!r}, which {results / 'statistics.csv'} does "
            f"not contain; add it to the configuration: snakemake --config studies={study}"
        )
    module = import_module(f"polyrepro.figures.{name}")
    with in_style():
        save(module.figure(*tables), results / "figures" / name)
