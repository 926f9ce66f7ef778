"""Heads that own a loss and never call it: nothing is replaced or recorded without a word."""

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from mmdet.models.dense_heads import RetinaHead
from mmdet.registry import MODELS
from mmengine.config import Config
from recorded_training import train
from small_detectors import mask_rcnn, retinanet
from small_runs import write_scenes

from polyrepro.detection import replace_losses
from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.heads import classification_losses
from polyrepro.detection.loss_calls import CallRecord

POLY = {"type": "PolyLossHook", "epsilon": -1.0}
RECORDING = {"type": "TargetProbabilityHook"}


class OwnLossHead(RetinaHead):
    """Looks at its loss, as its base class would, but does not call it."""

    def loss_by_feat(self, cls_scores, bbox_preds, *_, **__):
        assert self.loss_cls.use_sigmoid
        total = sum(score.sigmoid().mean() for score in cls_scores)
        return {"loss_cls": total, "loss_bbox": 0 * sum(box.sum() for box in bbox_preds)}


class DelegatingHead(RetinaHead):
    """Calls its loss by a function outside of the class."""

    def loss_by_feat(self, cls_scores, bbox_preds, *_, **__):
        return delegated(self, cls_scores, bbox_preds)


def delegated(head, cls_scores, bbox_preds):
    logits = cls_scores[0].flatten()[None, :2]
    loss = head.loss_cls(logits, logits.new_zeros(1).long())
    return {"loss_cls": loss, "loss_bbox": 0 * sum(box.sum() for box in bbox_preds)}


@pytest.fixture(autouse=True)
def registered():
    heads = (OwnLossHead, DelegatingHead)
    for head in heads:
        MODELS.register_module(module=head)
    yield
    for head in heads:
        MODELS.module_dict.pop(head.__name__)


def with_head(name: str, **settings) -> dict:
    config = retinanet()
    config["bbox_head"] |= {"type": name, **settings}
    return config


@pytest.mark.parametrize(
    "config",
    [
        with_head("FreeAnchorRetinaHead"),
        {
            "type": "SingleStageDetector",
            "backbone": retinanet()["backbone"],
            "bbox_head": {
                "type": "AutoAssignHead",
                "num_classes": 2,
                "in_channels": 16,
                "loss_bbox": {"type": "GIoULoss", "loss_weight": 5.0},
            },
        },
    ],
    ids=["FreeAnchor", "AutoAssign"],
)
def test_a_head_whose_code_never_calls_its_loss_is_refused(config):
    model = MODELS.build(Config({"model": config}).model)
    before = model.bbox_head.loss_cls
    with pytest.raises(DetectionError, match=r"bbox_head.loss_cls is never called: mmdet.*Head co"):
        replace_losses(model, 5.0)
    assert model.bbox_head.loss_cls is before


@pytest.mark.parametrize("hook", [POLY, RECORDING], ids=["replaced", "recorded"])
def test_a_head_without_a_call_is_named_before_or_after_the_first_iteration(scenes, tmp_path, hook):
    for number, head in enumerate(("FreeAnchorRetinaHead", "OwnLossHead")):
        with pytest.raises(DetectionError, match=rf"bbox_head.loss_cls is never called: .*{head}"):
            train(with_head(head), scenes, tmp_path / str(number), [hook])


def test_a_head_that_leaves_the_call_to_a_function_is_trained(scenes, tmp_path):
    _, losses = train(with_head("DelegatingHead"), scenes, tmp_path, [POLY, RECORDING])
    assert len(losses) == 2


def test_a_mask_loss_waits_for_an_image_with_objects(tmp_path):
    """The only image has none, so there is no mask to compute a loss of."""
    scenes = write_scenes(tmp_path / "scenes", images=1)
    hook = {**POLY, "heads": "mask_head"}
    _, losses = train(mask_rcnn(), scenes, tmp_path / "run", [hook])
    assert losses[0]["loss_mask"] == 0


def test_a_head_without_proposals_has_time_until_it_gets_some():
    model = MODELS.build(Config({"model": mask_rcnn()}).model)
    head = model.roi_head.bbox_head
    record = CallRecord(classification_losses(model))
    head(torch.zeros(0, 16, 7, 7))
    record.require_calls(None)
    head(torch.zeros(2, 16, 7, 7))
    with pytest.raises(DetectionError, match="never called"):
        record.require_calls(None)


def test_a_frozen_teacher_need_not_call_its_loss_beside_a_student():
    built = [MODELS.build(Config({"model": retinanet()}).model) for _ in range(2)]
    model = torch.nn.ModuleDict(zip(("teacher", "student"), built, strict=True))
    model.teacher.requires_grad_(False)
    places = classification_losses(model)
    assert len(places) == 2
    record = CallRecord(places)
    with pytest.raises(DetectionError, match=r"^student.bbox_head.loss_cls is never called"):
        record.require_calls(None)


def test_heads_that_are_all_frozen_are_refused():
    model = MODELS.build(Config({"model": retinanet()}).model)
    model.bbox_head.requires_grad_(False)
    with pytest.raises(DetectionError, match=r"^bbox_head.loss_cls: .*frozen.* in heads="):
        CallRecord(classification_losses(model))
