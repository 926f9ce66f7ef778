"""Average precision and recall from predictions in COCO's result format, by pycocotools.

It is part of the verification, too: what would stop it after a training has to stop it before.
"""

import contextlib
import copy
import io
import json
from pathlib import Path

import numpy as np
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from polyrepro.data.coco.matches import matches_of
from polyrepro.data.in_memory.image_arrays import DataError

KINDS = {"bbox": "box", "segm": "mask"}
MAX_DETECTIONS = (1, 10, 100)
SIZES = ("small", "medium", "large")
NAMES = (
    *("ap", "ap50", "ap75", *(f"ap_{size}" for size in SIZES)),
    *(f"ar{count}" for count in MAX_DETECTIONS),
    *(f"ar_{size}" for size in SIZES),
)


def evaluate_coco(
    annotations: Path, predictions: Path, kind: str
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """COCO's twelve numbers for one file of predictions, in per cent, and what they were made of.

    Args:
        annotations: COCO annotation file of the evaluated images, as verified.
        predictions: list of COCO results; as MMDetection's ``CocoMetric`` writes it.
        kind: ``bbox`` or ``segm``.

    Returns:
        ``box_ap`` (mean over IoU 0.5 .. 0.95), ``box_ap50``, ``box_ap75``, ``box_ap_small``,
        ``_medium``, ``_large``, ``box_ar1``, ``box_ar10``, ``box_ar100`` (recall with at most so
        many detections per image), ``box_ar_small``, ``_medium``, ``_large`` (with 100); ``mask_``
        for masks. Sizes of which there is no object are left out. And the matches of
        :func:`polyrepro.data.coco.matches.matches_of`, their names with the same prefix.

    Raises:
        DataError: if there is no object to be found.
    """
    truth = json.loads(annotations.read_bytes())
    evaluation = _evaluated(truth, json.loads(predictions.read_bytes()), kind)
    metrics = _numbers(evaluation, kind)
    if not metrics:
        raise DataError(
            f"{annotations} has no object that could be found, so precision and recall are not "
            "defined; verify the data again"
        )
    matches = matches_of(evaluation).items()
    return metrics, {f"{KINDS[kind]}_{name}": values for name, values in matches}


def require_evaluation(truth: dict, masks: bool, where: Path) -> None:
    """Evaluate empty predictions, and the objects themselves as predictions.

    Args:
        truth: content of an annotation file.
        where: the file that messages name.

    Raises:
        DataError: if the evaluation stops, or the objects do not find themselves.
    """
    for kind in KINDS if masks else ("bbox",):
        try:
            _evaluated(truth, [], kind)
            metrics = _numbers(_evaluated(truth, _as_predictions(truth, kind), kind), kind)
        except Exception as error:  # whatever pycocotools stops at
            raise DataError(
                f"{where} cannot be evaluated ({kind}): {type(error).__name__}: {error}; training "
                "has not begun; correct its annotations"
            ) from error
        if not metrics.get(f"{KINDS[kind]}_ap50", 0) > 0:
            raise DataError(
                f"{where} cannot be evaluated ({kind}): its objects, taken for predictions, are "
                "not found; correct its annotations"
            )


def _as_predictions(truth: dict, kind: str) -> list[dict]:
    """The objects as a perfect detector would find them, masks as compressed run-length codes."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    predictions = []
    for entry in truth["annotations"]:
        if entry["iscrowd"]:
            continue
        found = {key: entry[key] for key in ("image_id", "category_id")} | {"score": 1.0}
        if kind == "bbox":
            found["bbox"] = list(entry["bbox"])
        elif isinstance(entry["segmentation"], list):
            parts = mask.frPyObjects(entry["segmentation"], *sizes[entry["image_id"]])
            found["segmentation"] = mask.merge(parts)
        else:
            found["segmentation"] = dict(entry["segmentation"])
        predictions.append(found)
    return predictions


def _evaluated(truth: dict, predictions: list[dict], kind: str) -> COCOeval:
    if kind == "segm":
        # Beside a box pycocotools takes its area for that of the mask, and mixes up the sizes.
        predictions = [{k: v for k, v in p.items() if k != "bbox"} for p in predictions]
    with contextlib.redirect_stdout(io.StringIO()):
        objects, found = COCO(), COCO()
        objects.dataset = copy.deepcopy(truth)  # pycocotools writes into it
        found.dataset = {**objects.dataset, "annotations": []}
        for part in (objects, found):
            part.createIndex()
        if predictions:
            found = objects.loadRes(predictions)
        evaluation = COCOeval(objects, found, kind)
        evaluation.params.maxDets = list(MAX_DETECTIONS)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _numbers(evaluation: COCOeval, kind: str) -> dict[str, float]:
    # pycocotools says -1 where there is nothing to find.
    return {
        f"{KINDS[kind]}_{name}": 100 * float(value)
        for name, value in zip(NAMES, evaluation.stats, strict=True)
        if value >= 0
    }
