"""Test images with what Mask R-CNN found in them: cross-entropy beside the chosen coefficient.

The images are the first of the test split with enough objects; nobody chose them by hand. All
detections above a score are drawn, right or wrong.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from pycocotools import mask as coco_mask

from polyrepro.data.coco.coco_format import CocoData, open_coco
from polyrepro.data.decoding import decode_rgb, open_image
from polyrepro.figures import FigureError, style
from polyrepro.figures.measured import Tables
from polyrepro.figures.names import mathematical
from polyrepro.figures.placed_labels import place_labels
from polyrepro.figures.shown import IMAGES, LEAST_OBJECTS, LEAST_SCORE, MATCH
from polyrepro.files import data_folder, predictions_path
from polyrepro.studies.mask_rcnn_epsilon import BEST, STUDY

LOOKS = {
    "object": style.CROSS_ENTROPY,
    f"right class, IoU ≥ {MATCH:g}": style.POLY,
    "wrong, or found twice": style.POLY_NEGATIVE,
}
OBJECT, RIGHT, WRONG = LOOKS
LINES = {WRONG: (0, (3, 1.5))}
"""Of looks that are not drawn in full, so that no colour is needed to tell them apart."""
LARGEST_PANEL = 1.75
"""Inches: three rows and a curve with its caption share a page of the report."""


@dataclass(frozen=True)
class Drawn:
    """A box to draw: `look` is one of `LOOKS`, `outline` a COCO mask or None."""

    box: list[float]
    text: str
    look: str
    outline: dict | None


def figure(tables: Tables) -> Figure:
    """Rows: the objects; detections with cross-entropy; with the chosen coefficient; one seed."""
    runs = tables.runs(STUDY.name)
    measured = tables.measured(STUDY.name, STUDY.metric)
    chosen = measured.rows.index[measured.is_selected(BEST.name)]
    variants = [STUDY.reference, *chosen]
    seed = runs["seed"].min()
    data = open_coco(data_folder(tables.results, runs["dataset"].iloc[0]))
    truth = json.loads(data.annotations["test"].read_text())
    images = _first_images(truth)
    rows = {"objects": [_objects(truth, image["id"]) for image in images]}
    for variant in variants:
        (run,) = runs.loc[(runs.variant == variant) & (runs.seed == seed), "run"]
        found = _predictions(tables.results, run, truth)
        name = mathematical(measured.rows.loc[variant, "label"])
        rows[name] = [_judged(found.get(i["id"], []), truth, i["id"]) for i in images]
    return _page(rows, images, data, f"seed {seed}")


def _page(
    rows: dict[str, list[list[Drawn]]], images: list[dict], data: CocoData, seed: str
) -> Figure:
    size = min(style.TEXT_WIDTH / len(images), LARGEST_PANEL)
    drawing = Figure(figsize=(style.TEXT_WIDTH, 0.3 + size * len(rows)), layout="compressed")
    panels = drawing.subplots(len(rows), len(images), squeeze=False)
    labels = []
    for (name, drawn), line in zip(rows.items(), panels, strict=True):
        for axes, boxes, image in zip(line, drawn, images, strict=True):
            path = data.images["test"] / image["file_name"]
            labels.append((axes, _draw_image(axes, boxes, path)))
        line[0].set_ylabel(name if name == "objects" else f"{name}, {seed}")
    handles = [
        Line2D([], [], color=colour, linestyle=LINES.get(name, "-"), label=name)
        for name, colour in LOOKS.items()
    ]
    drawing.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    drawing.draw_without_rendering()
    for axes, of_image in labels:
        place_labels(axes, of_image)
    return drawing


def _draw_image(axes: Axes, boxes: list[Drawn], path: Path) -> list[tuple[Text, list[float]]]:
    """Draw an image with boxes; their labels, which are to be placed once all is laid out."""
    with open_image(path, str(path)) as image:
        axes.imshow(decode_rgb(image, str(path)), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    labels = []
    for entry in boxes:
        x, y, width, height = entry.box
        colour = LOOKS[entry.look]
        line = {"color": colour, "linestyle": LINES.get(entry.look, "-"), "linewidth": 1.0}
        axes.add_patch(Rectangle((x, y), width, height, fill=False, **line))
        if entry.outline is not None:
            inside = coco_mask.decode(entry.outline)
            axes.contour(inside, levels=[0.5], colors=[colour], linewidths=0.5)
        look = {"fontsize": 6, "color": "white", "in_layout": False}
        behind = {"facecolor": colour, "linewidth": 0, "pad": 0.5}
        labels.append((axes.text(x, y, entry.text, bbox=behind, **look), entry.box))
    return labels


def _first_images(truth: dict) -> list[dict]:
    counts: dict[int, int] = {}
    for entry in truth["annotations"]:
        counts[entry["image_id"]] = counts.get(entry["image_id"], 0) + 1
    enough = [i for i in truth["images"] if counts.get(i["id"], 0) >= LEAST_OBJECTS]
    return (enough or truth["images"])[:IMAGES]


def _names(truth: dict) -> dict[int, str]:
    return {entry["id"]: entry["name"] for entry in truth["categories"]}


def _objects(truth: dict, image_id: int) -> list[Drawn]:
    names = _names(truth)
    return [
        Drawn(a["bbox"], names[a["category_id"]], OBJECT, _rle(a.get("segmentation")))
        for a in truth["annotations"]
        if a["image_id"] == image_id
    ]


def _rle(segmentation: object) -> dict | None:
    """Masks that are already encoded, as those of composites and of predictions are."""
    return segmentation if isinstance(segmentation, dict) else None


def _predictions(results: Path, run: str, truth: dict) -> dict[int, list[dict]]:
    """The detections of a run above the score, by image, best first; with masks if there are."""
    for kind in ("segm", "bbox"):
        path = predictions_path(results, run, "test", kind)
        if path.exists():
            break
    else:
        raise FigureError(
            f"{path} does not exist; train the run again: polyrepro train --results {results} {run}"
        )
    found: dict[int, list[dict]] = {}
    for entry in sorted(json.loads(path.read_text()), key=lambda e: -e["score"]):
        if entry["score"] >= LEAST_SCORE:
            found.setdefault(entry["image_id"], []).append(entry)
    return found


def _judged(found: list[dict], truth: dict, image_id: int) -> list[Drawn]:
    """Detections marked right or wrong; each object is found once, by the best detection."""
    names = _names(truth)
    objects = [a for a in truth["annotations"] if a["image_id"] == image_id]
    taken: set[int] = set()
    drawn = []
    for entry in found:
        box = entry.get("bbox") or coco_mask.toBbox(entry["segmentation"]).tolist()
        overlaps = coco_mask.iou([box], [o["bbox"] for o in objects], [0] * len(objects))
        matches = [
            (overlap, number)
            for number, overlap in enumerate(np.ravel(overlaps))
            if number not in taken
            and overlap >= MATCH
            and objects[number]["category_id"] == entry["category_id"]
        ]
        if matches:
            taken.add(max(matches)[1])
        text = f"{names[entry['category_id']]} {entry['score']:.2f}"
        look = RIGHT if matches else WRONG
        drawn.append(Drawn(box, text, look, _rle(entry.get("segmentation"))))
    return drawn
