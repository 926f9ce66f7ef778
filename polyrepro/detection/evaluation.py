"""The evaluation after a training; the verification of the data has tried it before."""

from polyrepro.data.coco_evaluation import KINDS, coco_metrics

__all__ = ["KINDS", "coco_metrics"]
