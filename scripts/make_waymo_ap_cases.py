"""Make tests/detection/waymo_ap_cases.npz: what Waymo's own operator computes for drawn cases.

    python3.11 -m venv waymo && waymo/bin/pip install tensorflow-cpu==2.13.1
    waymo/bin/pip install --no-deps waymo-open-dataset-tf-2-12-0==1.6.7
    waymo/bin/python scripts/make_waymo_ap_cases.py

The operator is TensorFlow with a binary of Waymo's, for Python 3.11 and older packages than the
project's, so it runs in an environment of its own, once, and imports nothing of the project. Its
configuration is that of Waymo's command-line tool: Hungarian matching of 3D boxes, a hundred and
one score cutoffs from 0 to 1, IoU 0.7 for vehicles and 0.5 for pedestrians and cyclists.

Arrays of a case, named `<case>/<array>`: `found_boxes` (n, 7: centre, length, width, height,
heading), `found_labels`, `found_scores`, `found_frames`; `object_boxes`, `object_labels`,
`object_levels` (1 or 2), `object_frames`; and `expected` (3 classes, 2 levels, 2): AP and APH.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

OUTPUT = Path(__file__).parents[1] / "tests" / "detection" / "waymo_ap_cases.npz"
SEED = 2022
TYPES = (1, 2, 4)
"""Waymo's numbers of vehicle, pedestrian and cyclist; labels are positions in here."""
SIZES = np.array([[4.6, 1.95, 1.65], [0.9, 0.8, 1.72], [1.8, 0.8, 1.7]])

Case = dict[str, np.ndarray]


def objects(random: np.random.Generator, frames: int, mean: float, side: float = 30.0) -> Case:
    """Boxes of all classes in several frames, some of them of the second level."""
    frame = np.repeat(np.arange(frames), random.poisson(mean, frames))
    count = len(frame)
    label = random.integers(0, 3, count)
    boxes = np.zeros((count, 7), np.float32)
    boxes[:, :2] = random.uniform(-side, side, (count, 2))
    boxes[:, 2] = random.normal(0.9, 0.1, count)
    boxes[:, 3:6] = SIZES[label] * random.uniform(0.85, 1.15, (count, 3))
    boxes[:, 6] = random.uniform(-2 * math.pi, 2 * math.pi, count)
    levels = random.choice((1, 2), count, p=(0.7, 0.3))
    return {
        "object_boxes": boxes,
        "object_labels": label,
        "object_levels": levels,
        "object_frames": frame,
    }


def detections(random: np.random.Generator, truth: Case, noise: float, copies: int) -> Case:
    """Disturbed copies of objects, a few of them turned around, and boxes where nothing is."""
    count = len(truth["object_labels"])
    chosen = np.repeat(np.arange(count), random.integers(0, copies + 1, count))
    boxes = truth["object_boxes"][chosen].copy()
    labels, frames = truth["object_labels"][chosen], truth["object_frames"][chosen]
    boxes[:, :6] += random.normal(0, noise, (len(chosen), 6)) * boxes[:, [3, 4, 5, 3, 4, 5]]
    turned = random.random(len(chosen)) < 0.2
    boxes[:, 6] += random.normal(0, noise, len(chosen)) + np.where(turned, 3.0, 0.0)
    scores = np.clip(random.beta(4, 2, len(chosen)), 0, 1)
    wrong = max(1, count // 3)
    other = truth["object_boxes"][random.integers(0, count, wrong)].copy() if count else boxes[:0]
    other[:, :2] += random.uniform(3, 6, (len(other), 2))
    return {
        "found_boxes": np.concatenate([boxes, other]).astype(np.float32),
        "found_labels": np.concatenate([labels, random.integers(0, 3, len(other))]),
        "found_scores": np.concatenate([scores, random.beta(2, 4, len(other))]).astype(np.float32),
        "found_frames": np.concatenate([frames, random.integers(0, 3, len(other))]),
    }


def without(case: Case, prefix: str, kept: np.ndarray) -> Case:
    """The case with those entries only, of the objects or of what was found."""
    return {k: v[kept] if k.startswith(prefix) else v for k, v in case.items()}


def drawn(frames: int, mean: float, noise: float, copies: int, side: float = 30.0) -> Callable:
    """A function that draws a case with these settings."""

    def draw(random: np.random.Generator) -> Case:
        truth = objects(random, frames, mean, side)
        return truth | detections(random, truth, noise, copies)

    return draw


def perfect(random: np.random.Generator) -> Case:
    """Every object is found exactly, with many equal scores that are also cutoffs."""
    truth = objects(random, 6, 8)
    count = len(truth["object_labels"])
    return truth | {
        "found_boxes": truth["object_boxes"],
        "found_labels": truth["object_labels"],
        "found_scores": random.choice((0.25, 0.29, 0.57, 0.58, 1.0), count).astype(np.float32),
        "found_frames": truth["object_frames"],
    }


def turned_around(random: np.random.Generator) -> Case:
    """Headings that are wrong by half a turn, exactly and nearly."""
    case = perfect(random)
    boxes = case["found_boxes"].copy()
    case["object_boxes"] = case["object_boxes"].copy()
    case["object_boxes"][:, 6] = 0.0
    boxes[:, 6] = random.choice((0.0, math.pi, math.pi - 0.01, -math.pi, 3.0), len(boxes))
    return case | {"found_boxes": boxes.astype(np.float32)}


def nothing_found(random: np.random.Generator) -> Case:
    case = drawn(3, 5, 0.1, 1)(random)
    return without(case, "found", np.zeros(0, int))


def nothing_there(random: np.random.Generator) -> Case:
    case = drawn(3, 5, 0.1, 1)(random)
    return without(case, "object", np.zeros(0, int))


def one_class_missing(random: np.random.Generator) -> Case:
    case = drawn(5, 8, 0.05, 2)(random)
    return without(case, "object", case["object_labels"] != 1)


def second_level_only(random: np.random.Generator) -> Case:
    case = drawn(5, 8, 0.05, 2)(random)
    return case | {"object_levels": np.full_like(case["object_levels"], 2)}


def few_objects(random: np.random.Generator) -> Case:
    """Gaps in recall that are wider than those that are filled in."""
    return drawn(3, 4, 0.04, 2)(random)


CASES: dict[str, Callable[[np.random.Generator], Case]] = {
    "usual": drawn(12, 10, 0.04, 1),
    "noisy": drawn(10, 9, 0.07, 2),
    "several_per_object": drawn(8, 8, 0.05, 5),
    "crowded": drawn(4, 30, 0.06, 3, side=3.0),
    "many_frames": drawn(25, 9, 0.05, 2),
    "few_objects": few_objects,
    "perfect": perfect,
    "turned_around": turned_around,
    "nothing_found": nothing_found,
    "nothing_there": nothing_there,
    "one_class_missing": one_class_missing,
    "second_level_only": second_level_only,
}


def configuration():
    """That of Waymo's command-line tool, without the breakdown by range."""
    from waymo_open_dataset import label_pb2
    from waymo_open_dataset.protos import breakdown_pb2, metrics_pb2

    config = metrics_pb2.Config()
    config.breakdown_generator_ids.append(breakdown_pb2.Breakdown.OBJECT_TYPE)
    difficulty = config.difficulties.add()
    difficulty.levels.extend((label_pb2.Label.LEVEL_1, label_pb2.Label.LEVEL_2))
    config.matcher_type = metrics_pb2.MatcherProto.TYPE_HUNGARIAN
    config.iou_thresholds.extend((0.0, 0.7, 0.5, 0.5, 0.5))
    config.box_type = label_pb2.Label.Box.TYPE_3D
    config.score_cutoffs.extend([i * 0.01 for i in range(100)] + [1.0])
    return config


def by_operator(case: Case) -> np.ndarray:
    """AP and APH of the three classes and two levels, (3, 2, 2)."""
    from waymo_open_dataset.metrics.ops import py_metrics_ops

    types = np.array(TYPES, np.uint8)
    values = py_metrics_ops.detection_metrics(
        prediction_bbox=case["found_boxes"].reshape(-1, 7),
        prediction_type=types[case["found_labels"].astype(int)],
        prediction_score=case["found_scores"],
        prediction_frame_id=case["found_frames"].astype(np.int64),
        prediction_overlap_nlz=np.zeros(len(case["found_labels"]), bool),
        ground_truth_bbox=case["object_boxes"].reshape(-1, 7),
        ground_truth_type=types[case["object_labels"].astype(int)],
        ground_truth_frame_id=case["object_frames"].astype(np.int64),
        ground_truth_difficulty=case["object_levels"].astype(np.uint8),
        config=configuration().SerializeToString(),
    )
    breakdown = values[-1].numpy()  # generator, shard, level
    found = np.full((len(TYPES), 2, 2), np.nan)
    for row, (_, shard, level) in enumerate(breakdown.tolist()):
        # A shard is a type's position among all but the unknown one.
        if shard + 1 in TYPES:
            where = TYPES.index(shard + 1), level - 1
            found[where] = values[0].numpy()[row], values[1].numpy()[row]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    arrays = {}
    for number, (name, draw) in enumerate(CASES.items()):
        case = draw(np.random.default_rng([SEED, number]))
        case["expected"] = by_operator(case)
        print(name, len(case["found_labels"]), len(case["object_labels"]))
        print(case["expected"].round(4).tolist(), flush=True)
        small = {k: v.astype(np.uint8) for k, v in case.items() if v.dtype == np.int64}
        arrays |= {f"{name}/{key}": value for key, value in (case | small).items()}
    np.savez_compressed(options.output, **arrays)


if __name__ == "__main__":
    main()
