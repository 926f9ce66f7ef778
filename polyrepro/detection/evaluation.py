"""The evaluation after a training; the verification of the data has tried it before."""

from polyrepro.data.coco.evaluation import KINDS, evaluate_coco

__all__ = ["KINDS", "evaluate_coco"]
