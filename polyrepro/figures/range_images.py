"""The first test sweep as a range image, its foreground, and what the networks make of it.

Nobody chose the sweep by hand. Probabilities are those of every pixel with a return, for the focal
loss and for RSN's coefficient, of one seed.
"""

import json
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from polyrepro.compact_predictions import PredictionsError, read_arrays
from polyrepro.data.drawn.lidar_rays import FARTHEST
from polyrepro.data.lidar.lidar_format import open_lidar
from polyrepro.data.lidar.range_images import range_images
from polyrepro.figures import FigureError, style
from polyrepro.figures.measured import Tables
from polyrepro.figures.names import mathematical
from polyrepro.files import compact_predictions_path, data_folder, record_path
from polyrepro.studies.range_segmentation import RSN_EPSILON, STUDY, VARIANTS

SHOWN = (STUDY.reference, VARIANTS[RSN_EPSILON].name)
LABELS = {
    "background": "#DDDDDD",
    "in the box of a vehicle": style.POLY,
    "in the box of a pedestrian": style.POLY_NEGATIVE,
}
"""What a label means, and its colour, in the order of the labels."""


def figure(tables: Tables) -> Figure:
    """From above: ranges, labels, and the probability of the foreground with each loss."""
    runs = tables.runs(STUDY.name)
    names = tables.measured(STUDY.name, STUDY.metric).rows["label"]
    seed = runs["seed"].min()
    data = open_lidar(data_folder(tables.results, runs["dataset"].iloc[0]))
    sweeps = range_images(data, "test")
    labels = sweeps.labels[0]
    returned = labels >= 0
    drawing = Figure(figsize=(style.TEXT_WIDTH, 4.0), layout="constrained")
    ranges, objects, *others = drawing.subplots(2 + len(SHOWN), 1)
    shown = _strip(ranges, sweeps.images[0, 0] * FARTHEST, returned, "viridis_r", (0, FARTHEST))
    drawing.colorbar(shown, ax=ranges, label="metres", fraction=0.03, pad=0.01)
    ranges.set_title("range image of the first test sweep", loc="left")
    _strip(objects, labels, returned, ListedColormap(list(LABELS.values())), (0, len(LABELS) - 1))
    objects.set_title("labels", loc="left")
    for axes, variant in zip(others, SHOWN, strict=True):
        (run,) = runs.loc[(runs.variant == variant) & (runs.seed == seed), "run"]
        shown = _strip(axes, _probabilities(tables.results, run), returned, "magma_r", (0, 1))
        axes.set_title(f"{mathematical(names[variant])}, seed {seed}", loc="left")
    drawing.colorbar(shown, ax=others, label="P(foreground)", fraction=0.03, pad=0.01)
    handles = [Patch(color=colour, label=name) for name, colour in LABELS.items()]
    drawing.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return drawing


def _strip(axes: Axes, values: np.ndarray, returned: np.ndarray, colours, limits: tuple):
    """An image with a pixel per ray; white where nothing returned."""
    shown = axes.imshow(
        np.where(returned, values, np.nan),
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        aspect="auto",
        interpolation="nearest",
    )
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return shown


def _probabilities(results: Path, run: str) -> np.ndarray:
    """Of the foreground, in [0, 1], for every pixel of the first test sweep."""
    path = compact_predictions_path(results, run)
    try:
        sha256 = json.loads(record_path(results, run).read_bytes())["predictions"]
        return read_arrays(path, sha256)["test_shown"][0] / 255
    except (OSError, ValueError, KeyError, PredictionsError) as error:
        raise FigureError(
            f"{path} cannot be read ({error}); train the run again: "
            f"polyrepro train --results {results} {run}"
        ) from None
