"""Average precision and recall from predictions in COCO's result format, by pycocotools."""

import contextlib
import io
import json
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

KINDS = {"bbox": "box", "segm": "mask"}
MAX_DETECTIONS = (1, 10, 100)
SIZES = ("small", "medium", "large")


def coco_metrics(annotations: Path, predictions: Path, kind: str) -> dict[str, float]:
    """COCO's twelve numbers for one file of predictions, in per cent.

    Args:
        annotations: COCO annotation file of the evaluated images.
        predictions: list of COCO results; as MMDetection's ``CocoMetric`` writes it.
        kind: ``bbox`` or ``segm``.

    Returns:
        ``box_ap`` (mean over IoU 0.5 .. 0.95), ``box_ap50``, ``box_ap75``, ``box_ap_small``,
        ``_medium``, ``_large``, ``box_ar1``, ``box_ar10``, ``box_ar100`` (recall with at most so
        many detections per image), ``box_ar_small``, ``_medium``, ``_large`` (with 100); ``mask_``
        for masks. Sizes of which there is no object are left out.
    """
    prefix = KINDS[kind]
    names = ["ap", "ap50", "ap75", *(f"ap_{size}" for size in SIZES)]
    names += [f"ar{count}" for count in MAX_DETECTIONS] + [f"ar_{size}" for size in SIZES]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        found = json.loads(predictions.read_text())
        evaluation = COCOeval(truth, truth.loadRes(found) if found else COCO(), kind)
        evaluation.params.maxDets = list(MAX_DETECTIONS)
        if not found:
            return {f"{prefix}_{name}": 0.0 for name in names}
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # pycocotools says -1 where there is nothing to find.
    return {
        f"{prefix}_{name}": 100 * float(value)
        for name, value in zip(names, evaluation.stats, strict=True)
        if value >= 0
    }
