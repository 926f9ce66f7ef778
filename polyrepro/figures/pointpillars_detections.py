"""Test frames from above with what PointPillars found: focal loss beside the chosen coefficient.

The frames are the first of the test split with enough objects; nobody chose them by hand. All
detections above a score are drawn, right or wrong.
"""

import json
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from polyrepro.data.lidar.boxes import corners_from_above, iou_3d, with_centre
from polyrepro.data.lidar.kitti_boxes import camera_to_lidar
from polyrepro.data.lidar.kitti_frames import CAMERA
from polyrepro.data.lidar.lidar_format import KITTI, LidarData, open_lidar
from polyrepro.figures import FigureError, style
from polyrepro.figures.measured import Tables
from polyrepro.figures.names import mathematical
from polyrepro.figures.shown import LEAST_OBJECTS_3D, LEAST_SCORE, MATCH_3D, SCENES
from polyrepro.files import data_folder, predictions_path
from polyrepro.studies import STUDIES

LOOKS = {
    "object": style.CROSS_ENTROPY,
    "right": style.POLY,
    "wrong, or found twice": style.POLY_NEGATIVE,
}
OBJECT, RIGHT, WRONG = LOOKS
LINES = {WRONG: (0, (2, 1))}
"""Of looks that are not drawn in full, so that no colour is needed to tell them apart."""
RULER = 10
"""Metres of the line that shows the scale."""
AHEAD, AHEAD_ON_ROADS = 42, 70
"""Metres ahead of the sensor that are shown, of drawn scenes and of KITTI's frames."""

Boxes = list[tuple[np.ndarray, str]]
"""A box and its look each."""


def figure(tables: Tables, study: str = "pointpillars_epsilon") -> Figure:
    """Rows: the objects; detections with the focal loss; with the chosen coefficient; one seed."""
    runs, reference = tables.runs(study), STUDIES[study].reference
    measured = tables.measured(study, STUDIES[study].metric)
    chosen = measured.rows.index[measured.is_selected(STUDIES[study].selections[0].name)]
    seed = runs["seed"].min()
    data = open_lidar(data_folder(tables.results, runs["dataset"].iloc[0]))
    frames = json.loads(data.annotations["test"].read_text())["data_list"]
    frames = [_with_shown_objects(frame, data) for frame in frames]
    scenes = [f for f in frames if len(f["instances"]) >= LEAST_OBJECTS_3D][:SCENES]
    scenes = scenes or frames[:SCENES]
    rows = {"objects": [_objects(scene) for scene in scenes]}
    for variant in (reference, *chosen):
        (run,) = runs.loc[(runs.variant == variant) & (runs.seed == seed), "run"]
        found = _predictions(tables.results, run)
        name = mathematical(measured.rows.loc[variant, "label"])
        rows[name] = [_judged(found[s["sample_idx"]], s, data.classes) for s in scenes]
    return _page(rows, scenes, data, f"seed {seed}")


def _with_shown_objects(frame: dict, data: LidarData) -> dict:
    """A frame with the objects that are looked for, in the coordinates of the LiDAR."""
    shown = [e for e in frame["instances"] if data.classes[e["bbox_label_3d"]] in MATCH_3D]
    if data.name == KITTI:
        to_camera = np.array(frame["images"][CAMERA]["lidar2cam"])
        shown = [e | {"bbox_3d": camera_to_lidar(e["bbox_3d"], to_camera)} for e in shown]
    return frame | {"instances": shown}


def _page(rows: dict[str, list[Boxes]], scenes: list[dict], data: LidarData, seed: str) -> Figure:
    size = style.TEXT_WIDTH / len(scenes)
    drawing = Figure(figsize=(style.TEXT_WIDTH, 0.3 + size * len(rows)), layout="constrained")
    panels = drawing.subplots(len(rows), len(scenes), squeeze=False)
    for (name, drawn), line in zip(rows.items(), panels, strict=True):
        for axes, boxes, scene in zip(line, drawn, scenes, strict=True):
            _draw_scene(axes, boxes, scene, data)
        line[0].set_ylabel(name if name == "objects" else f"{name},\n{seed}")
    _draw_ruler(panels[0, 0])
    smaller = [name.lower() for name in data.classes if name in MATCH_3D and name != "Car"]
    right = "right class, IoU ≥ {Car:g} ({others} {Pedestrian:g})"
    labels = {RIGHT: right.format(others=", ".join(smaller), **MATCH_3D)}
    handles = [
        Line2D([], [], color=c, linestyle=LINES.get(look, "-"), label=labels.get(look, look))
        for look, c in LOOKS.items()
    ]
    drawing.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return drawing


def _draw_scene(axes: Axes, boxes: Boxes, scene: dict, data: LidarData) -> None:
    """Points and boxes from above, x upwards; a line from the centre ahead is the heading."""
    where = scene["lidar_points"]
    points = np.fromfile(data.points["test"] / where["lidar_path"], np.float32)
    x, y = points.reshape(-1, where["num_pts_feats"]).T[:2]
    axes.scatter(-y, x, s=0.1, color=style.NEUTRAL, linewidths=0, rasterized=True)
    if boxes:
        values = np.array([box for box, _ in boxes])
        corners = corners_from_above(values)
        front, centre = corners[:, :2].mean(1), values[:, :2]
        lines = [*corners[:, [0, 1, 2, 3, 0]], *np.stack([centre, front], 1)]
        colours = [LOOKS[look] for _, look in boxes] * 2
        looks = {"colors": colours, "linestyles": [LINES.get(look, "-") for _, look in boxes] * 2}
        turned = [np.stack([-line[:, 1], line[:, 0]], 1) for line in lines]
        axes.add_collection(LineCollection(turned, linewidths=0.8, **looks))
    ahead = AHEAD_ON_ROADS if data.name == KITTI else AHEAD
    limits = {"xlim": (-ahead / 2, ahead / 2), "ylim": (0, ahead)}
    axes.set(xticks=[], yticks=[], aspect="equal", **limits)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _draw_ruler(axes: Axes) -> None:
    """A length in metres at the lower left, where the sensor does not look."""
    left = axes.get_xlim()[0]
    axes.plot([left, left + RULER], [1, 1], color=style.CROSS_ENTROPY, linewidth=1.0)
    axes.text(left + RULER / 2, 1.6, f"{RULER} m", ha="center", va="bottom", fontsize=8)


def _boxes_of(instances: list[dict]) -> np.ndarray:
    return with_centre(np.array([entry["bbox_3d"] for entry in instances]))


def _objects(scene: dict) -> Boxes:
    return [(box, OBJECT) for box in _boxes_of(scene["instances"])]


def _predictions(results: Path, run: str) -> dict[int, list[dict]]:
    """The detections of a run above the score, by scene, best first."""
    path = predictions_path(results, run, "test", "lidar")
    try:
        frames = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise FigureError(
            f"{path} cannot be read ({error}); train the run again: "
            f"polyrepro train --results {results} {run}"
        ) from None
    return {
        frame["sample_idx"]: sorted(
            (entry for entry in frame["instances"] if entry["score"] >= LEAST_SCORE),
            key=lambda entry: -entry["score"],
        )
        for frame in frames
    }


def _judged(found: list[dict], scene: dict, classes: tuple[str, ...]) -> Boxes:
    """Detections marked right or wrong; each object is found once, by the best detection."""
    objects, taken, drawn = scene["instances"], set(), []
    overlaps = iou_3d(_boxes_of(found), _boxes_of(objects))
    for box, entry, overlap in zip(_boxes_of(found), found, overlaps, strict=True):
        label = entry["bbox_label_3d"]
        matches = [
            (value, number)
            for number, value in enumerate(overlap)
            if number not in taken
            and objects[number]["bbox_label_3d"] == label
            and value >= MATCH_3D[classes[label]]
        ]
        if matches:
            taken.add(max(matches)[1])
        drawn.append((box, RIGHT if matches else WRONG))
    return drawn
