"""Figures as they would be saved, and the data in them."""

from functools import cache

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from polyrepro.figures import OWN, drawings
from polyrepro.figures.style import in_style
from polyrepro.studies import STUDIES

OWN_EMBEDDED = tuple(name for name, study in OWN.items() if "embedded" in STUDIES[study].recipes)
EMBEDDED = ("losses", "forest", *OWN_EMBEDDED, "truncation_variants", "retinanet_epsilon_variants")
"""Names of figures of the embedded scale: of those that every study has, two."""


@cache
def pages_of(name, folder, references=()):
    """The pages of a figure, laid out as they would be saved."""
    with in_style():
        pages = drawings(name, folder, references)
        for page in pages:
            page.draw_without_rendering()
    return pages


def figure_of(name, folder):
    """The first page of a figure, and of most the only one."""
    return pages_of(name, folder)[0]


def rows_of(folder, study, metric="top1", split="test") -> pd.DataFrame:
    """Rows of statistics.csv, read without the code under test, by variant."""
    table = pd.read_csv(folder / "statistics.csv", keep_default_na=True)
    rows = table[(table.study == study) & (table.metric == metric) & (table.split == split)]
    return rows.set_index("variant")


def line(axes: Axes, label: str) -> np.ndarray:
    """x and y of the line with this label, a row per point."""
    (found,) = [drawn for drawn in axes.lines if drawn.get_label() == label]
    return np.column_stack([found.get_xdata(), found.get_ydata()]).astype(float)


def intervals(axes: Axes, number: int = 0) -> np.ndarray:
    """x, low, high of the error bars of the number-th series; what has no interval is left out."""
    (bars,) = axes.containers[number].lines[2]
    return np.array([[s[0, 0], s[0, 1], s[1, 1]] for s in bars.get_segments() if s.size])


def legend_labels(name, folder) -> list[str]:
    """Entries of the legend."""
    return [text.get_text() for text in figure_of(name, folder).legends[0].get_texts()]


def dots(axes: Axes) -> set[tuple[float, float]]:
    """Positions of all faint dots."""
    drawn = [entry for entry in axes.lines if entry.get_alpha() == 0.45]
    points = np.concatenate([np.column_stack(entry.get_data()).astype(float) for entry in drawn])
    return {(round(x, 6), round(y, 6)) for x, y in points if np.isfinite(y)}
