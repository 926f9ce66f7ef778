"""Results of every study, made up but of the form that real runs have."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from kitti_files import write_kitti_files

from polyrepro.analysis.claims import evaluate_claims
from polyrepro.analysis.metrics_table import COLUMNS, record_rows
from polyrepro.analysis.statistics import summarise
from polyrepro.compact_predictions import write_arrays
from polyrepro.data.drawn.composites import prepare_composites
from polyrepro.data.drawn.lidar_scenes import prepare_lidar_scenes
from polyrepro.data.lidar.kitti_boxes import camera_to_lidar
from polyrepro.data.lidar.kitti_convert import convert_kitti
from polyrepro.data.lidar.lidar_folder import verify_lidar_folder
from polyrepro.data.lidar.range_images import BEAMS
from polyrepro.data.lidar.range_images import COLUMNS as RAYS
from polyrepro.data.manifests import write_manifest
from polyrepro.files import (
    compact_predictions_path,
    predictions_path,
    record_path,
    target_probability_path,
    write_json,
)
from polyrepro.plan import Plan
from polyrepro.runs import Run
from polyrepro.settings import check_settings

GIVEN_UP = (1, 10, 300)


def made_up_record(run: Run) -> dict:
    """A record whose values depend on loss and seed.

    The best coefficients are 2 for N = 1 and N = 2, which has none to add, and (2, 0, 1) for N = 3.
    One seed of the losses with a few of the numbers of terms has collapsed.
    """
    random = np.random.default_rng(list(run.id.encode()))
    first, second, third = (*run.loss.epsilon, 0.0, 0.0, 0.0)[:3]
    top1 = 72.0 - 0.3 * abs(first - 2) - 0.9 * abs(second) - 0.3 * abs(third - 1)
    top1 += random.normal(0, 0.05) - (40 / run.loss.terms if run.loss.terms else 0)
    top1 = 0.1 if run.loss.terms in GIVEN_UP and run.seed == 2 else top1
    probability = top1 / 90 * (1 + random.normal(0, 0.01))
    end = {"top1": top1, "mean_pt": probability, "ece": random.uniform(1, 9)}
    if run.recipe.name.endswith("long_tail"):
        end |= {"top1_head": top1 + 6, "top1_middle": top1 - 14, "top1_tail": top1 + 2}
    if run.recipe.kind == "detection3d":
        values = 16 + random.normal(0, 0.2) - first, 23 + random.normal(0, 0.3) + first
        end = {}
        for name, value in zip(("vehicle", "pedestrian"), values, strict=True):
            end |= {f"{name}_ap_l1": value, f"{name}_aph_l1": 0.9 * value}
        end |= {"ap_l1": sum(values) / 2 + 0.1 * first, "aph_l1": 0.45 * sum(values)}
    if run.recipe.dataset == "kitti":
        value = 60 + random.normal(0, 0.2) + first
        levels = {f"ap40_{level}": value for level in ("easy", "moderate", "hard")}
        classes = ("car", "pedestrian", "cyclist")
        end = levels | {f"{name}_ap40_moderate": value for name in classes}
    if run.recipe.kind == "segmentation":
        value = 90 + random.normal(0, 0.2) + first
        shares = {"foreground_precision": 0.7 * value, "points_kept": 0.4 * value}
        end = {"foreground_ap": value, "pedestrian_foreground_ap": 0.2 * value} | shares
    if run.recipe.kind == "detection":
        precision, recall = 20 + random.normal(0, 0.2), 37 + random.normal(0, 0.3)
        end = {"box_ap": precision - first, "box_ar100": recall - first}
        if run.recipe.detector == "mask_rcnn":
            end |= {f"mask_{name[4:]}": value - 3 for name, value in end.items()}
    history = []
    for epoch in (1, 2):
        for part in (0.2, 0.4, 0.6, 0.8, 1.0):
            time = epoch - 1 + part
            share = 1 - 0.7**time + random.normal(0, 0.01)
            shares = {"leading_share": share, "leading_share_weighted": share / 2}
            row = {"epoch": time, "split": "train"} | shares
            if run.recipe.kind == "classification":
                row["top1"] = top1 * (1 - 0.5**time)
            history.append(row)
        if run.recipe.kind == "classification":  # 140 steps
            history[-1] |= {"seconds": 2.0, "images_per_second": 70 * run.recipe.batch_size}
        history.append({"epoch": epoch, "split": "test"} | end)
        other = {name: 0.9 * value for name, value in end.items()}
        history.append({"epoch": epoch, "split": "validation"} | other)
    return {
        "run": run.id,
        "label": run.label,
        "recipe": run.recipe.model_dump(),
        "variant": run.variant.model_dump(),
        "loss": run.loss.model_dump(),
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "history": history,
        "data": {"dataset": run.recipe.dataset, "classes": 1000},
    }


def write_detections(folder: Path, runs: list[Run]) -> None:
    """What detectors leave beside the tables: the course of P_t, predictions and the data."""
    data = folder / "data/composites"
    write_manifest(data, prepare_composites(data, {"train": 1, "test": 8}))
    truth = json.loads((data / "coco/annotations/test.json").read_text())
    # Every object is found, the first one as something else and the second one twice.
    found = [
        {k: a[k] for k in ("image_id", "category_id", "segmentation")} for a in truth["annotations"]
    ]
    found = [entry | {"score": 0.9} for entry in found]
    found[0]["category_id"] = 1 + found[0]["category_id"] % 10
    found.append(found[1] | {"score": 0.5})
    found.append(found[2] | {"score": 0.1})
    for run in runs:
        write_course(folder, run)
        write_json(predictions_path(folder, run.id, "test", "segm"), found)


def write_lidar_detections(folder: Path, runs: list[Run]) -> None:
    """The same for point clouds; a file of predictions looks like the annotations."""
    dataset = runs[0].recipe.dataset if runs else "lidar_scenes"
    data = folder / "data" / dataset
    if dataset == "kitti":
        convert_kitti(write_kitti_files(folder / "files"), folder / "layout")
        write_manifest(data, verify_lidar_folder("kitti", folder / "layout", data))
    else:
        write_manifest(data, prepare_lidar_scenes(data, {"train": 1, "test": 6}))
    frames = json.loads((data / "test.json").read_text())["data_list"]
    found = [{"sample_idx": f["sample_idx"], "instances": _found(_in_lidar(f))} for f in frames]
    for run in runs:
        write_course(folder, run)
        write_json(predictions_path(folder, run.id, "test", "lidar"), found)


def _in_lidar(frame: dict) -> list[dict]:
    """The objects of a frame; KITTI's annotations have them in the coordinates of a camera."""
    if "images" not in frame:
        return frame["instances"]
    to_camera = np.array(frame["images"]["CAM2"]["lidar2cam"])
    objects = frame["instances"]
    return [e | {"bbox_3d": camera_to_lidar(e["bbox_3d"], to_camera)} for e in objects]


def write_segmentations(folder: Path, runs: list[Run]) -> None:
    """The course of P_t, and probabilities of a first test sweep that rise from beam to beam."""
    shown = np.broadcast_to(np.linspace(0, 255, BEAMS)[:, None], (1, BEAMS, RAYS))
    for run in runs:
        write_course(folder, run)
        arrays = {"test_shown": shown.round().astype(np.uint8)}
        sha256 = write_arrays(compact_predictions_path(folder, run.id), arrays)
        write_json(record_path(folder, run.id), {"predictions": sha256})


def _found(instances: list[dict]) -> list[dict]:
    """Every object, the first one twice, and one that nobody would see."""
    best = [
        {key: entry[key] for key in ("bbox_3d", "bbox_label_3d")} | {"score": 0.9}
        for entry in instances
    ]
    again = [entry | {"score": score} for entry in best[:1] for score in (0.5, 0.1)]
    return [*again, *best]


def write_course(folder: Path, run: Run) -> None:
    """The course of P_t of a run."""
    group = {"count": 100, "mean_pt": 0.25 + run.seed / 10, "histogram": [0, 20, 30, 50]}
    line = {"epoch": 1, "foreground": group, "background": group | {"mean_pt": 0.9}}
    path = target_probability_path(folder, run.id)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(line | {"epoch": 0}) + "\n" + json.dumps(line) + "\n")


def write_results(folder: Path, seeds: int, scale: str = "embedded", studies: str = "all") -> Path:
    """Write the tables of all studies of a scale."""
    settings = {"scale": scale, "studies": studies, "seeds": seeds, "runs_per_job": 1}
    plan = Plan(check_settings(settings | {"results": str(folder)}))
    prefixes = {"best_poly_n1": (2.0,), "best_poly_n2": (2.0, 0.0), None: ()}
    rows = []
    for study in plan.studies:
        for planned in plan.runs_of(study):
            run = planned.model_copy(update={"prefix": prefixes[planned.variant.after]})
            common = {"study": study.name, "scale": scale}
            rows += [common | row for row in record_rows(made_up_record(run))]
    write_detections(folder, [run for run in plan.runs if run.recipe.kind == "detection"])
    write_lidar_detections(folder, [r for r in plan.runs if r.recipe.kind == "detection3d"])
    write_segmentations(folder, [r for r in plan.runs if r.recipe.kind == "segmentation"])
    metrics = pd.DataFrame(rows)[COLUMNS].astype({"terms": "Int64"})
    metrics.to_csv(folder / "metrics.csv", index=False)
    summarise(metrics).to_csv(folder / "statistics.csv", index=False)
    evaluate_claims(metrics).to_csv(folder / "claims.csv", index=False)
    return folder
