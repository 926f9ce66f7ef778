"""Poly losses by the hook, and the record of P_t, in trainings of small detectors."""

import json
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from mmdet.models.losses import CrossEntropyLoss
from mmdet.registry import HOOKS, MODELS
from mmengine.config import Config
from mmengine.runner import Runner
from recorded_training import LossRecorder, train
from small_detectors import mask_rcnn, retinanet
from small_runs import training

from polyrepro.detection import PolyLossHook, replace_losses
from polyrepro.detection.detection_errors import DetectionError

SOFTMAX = {"type": "PolyCrossEntropyLoss", "epsilon": 0.0, "loss_weight": 0.7}
FOCAL = {"type": "PolyFocalLoss", "use_sigmoid": True, "gamma": 1.5, "alpha": 0.3, "epsilon": 0.0}


@pytest.mark.parametrize("make, poly", [(mask_rcnn, SOFTMAX), (retinanet, FOCAL)])
def test_epsilon_0_trains_like_the_stock_loss(scenes, tmp_path, make, poly):
    _, stock = train(make(), scenes, tmp_path / "stock", epochs=2)
    _, registry = train(make(poly), scenes, tmp_path / "registry", epochs=2)
    hook = {"type": "PolyLossHook", "epsilon": 0.0}
    runner, hooked = train(make(), scenes, tmp_path / "hook", [hook], epochs=2)
    assert len(stock) == 4 and len({step["loss"] for step in stock}) == 4
    for ours in (registry, hooked):
        for step, expected in zip(ours, stock, strict=True):
            assert step == pytest.approx(expected, rel=1e-5)
    assert "Poly" in str(runner.model)


def test_epsilon_0_in_all_heads_trains_mask_rcnn_to_the_same_bit(scenes, tmp_path):
    _, stock = train(mask_rcnn(), scenes, tmp_path / "stock")
    hook = PolyLossHook(epsilon=0.0, heads=["rpn_head", "bbox_head", "mask_head"])
    runner, hooked = train(mask_rcnn(), scenes, tmp_path / "hook", [hook])
    assert str(runner.model).count("PolyCrossEntropyLoss(") == 3
    assert hooked == stock


def test_named_heads_and_no_others_get_poly_losses(scenes, tmp_path):
    hook = PolyLossHook(epsilon=-1.0, heads=["rpn_head", "mask_head"])
    _, stock = train(mask_rcnn(), scenes, tmp_path / "stock")
    _, poly = train(mask_rcnn(), scenes, tmp_path / "poly", [hook])
    changed = {name for name in stock[0] if poly[0][name] != stock[0][name]}
    assert changed == {"loss", "loss_rpn_cls", "loss_mask"}
    assert poly[0]["loss_mask"] < stock[0]["loss_mask"]  # epsilon below 0 takes off


def test_hook_changes_the_first_loss_by_what_the_formula_says(scenes, tmp_path):
    recording = {"type": "TargetProbabilityHook", "interval": 1}
    hooks = [{"type": "PolyLossHook", "epsilon": -1.0}, recording]
    _, stock = train(mask_rcnn(), scenes, tmp_path / "stock")
    _, poly = train(mask_rcnn(), scenes, tmp_path / "poly", hooks)
    groups = records(tmp_path / "poly")[0]
    parts = [groups["foreground"], groups["background"]]
    count = sum(part["count"] for part in parts)
    mean_pt = sum(part["count"] * part["mean_pt"] for part in parts) / count
    # The box head divides by the number of samples; 0.7 is its loss weight.
    assert poly[0]["loss_cls"] == pytest.approx(stock[0]["loss_cls"] - 0.7 * (1 - mean_pt))
    assert poly[0]["loss_mask"] == stock[0]["loss_mask"]


def records(folder) -> list[dict]:
    lines = (folder / "target_probability.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def built(config: dict) -> torch.nn.Module:
    return MODELS.build(Config({"model": config}).model)


def test_hook_keeps_the_settings_of_the_losses():
    model = built(mask_rcnn({"type": "CrossEntropyLoss", "class_weight": [1.0, 2.0, 0.5]}))
    heads = ["bbox_head", "rpn_head", "roi_head.mask_head"]
    sentences = replace_losses(model, -1.0, heads)
    box, rpn = model.roi_head.bbox_head.loss_cls, model.rpn_head.loss_cls
    mask = model.roi_head.mask_head.loss_mask
    assert [box.class_weight, box.use_sigmoid] == [[1.0, 2.0, 0.5], False]
    assert [rpn.use_sigmoid, mask.use_mask] == [True, True]
    assert {loss.series.epsilon for loss in (box, rpn, mask)} == {(-1.0,)}
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "roi_head.bbox_head.loss_cls",
        "rpn_head.loss_cls",
        "roi_head.mask_head.loss_mask",
    ]


def test_hook_keeps_gamma_and_alpha_and_only_the_dense_head_is_meant():
    model = built(retinanet())
    replace_losses(model, (-1.0, 0.5))
    loss = model.bbox_head.loss_cls
    assert (loss.gamma, loss.alpha, loss.series.gamma) == (1.5, 0.3, 1.5)
    assert loss.series.epsilon == (-1.0, 0.5)


def test_by_default_only_the_box_head_is_meant():
    model = built(mask_rcnn())
    replace_losses(model, -1.0)
    assert type(model.rpn_head.loss_cls) is CrossEntropyLoss
    assert type(model.roi_head.mask_head.loss_mask) is CrossEntropyLoss


def test_replaced_losses_can_be_replaced_again():
    model = built(retinanet())
    replace_losses(model, 2.0)
    replace_losses(model, -1.0)
    assert model.bbox_head.loss_cls.series.epsilon == (-1.0,)


def test_hook_logs_what_it_replaced():
    messages = []
    runner = SimpleNamespace(model=built(mask_rcnn()), logger=SimpleNamespace(info=messages.append))
    PolyLossHook(epsilon=-1.0).before_run(runner)
    assert len(messages) == 1
    assert (
        "roi_head.bbox_head.loss_cls: CrossEntropyLoss is now PolyCrossEntropyLoss" in (messages[0])
    )
    assert "epsilon=(-1.0,)" in messages[0] and "loss_weight=0.7" in messages[0]


def test_hook_that_finds_nothing_fails_and_names_the_losses():
    with pytest.raises(DetectionError, match="no head or loss 'cls_head'") as error:
        replace_losses(built(mask_rcnn()), -1.0, "cls_head")
    assert "roi_head.mask_head.loss_mask (CrossEntropyLoss)" in str(error.value)
    with pytest.raises(DetectionError, match="has no losses at all"):
        replace_losses(torch.nn.Linear(2, 2), -1.0)
    with pytest.raises(DetectionError, match="heads is empty"):
        replace_losses(built(mask_rcnn()), -1.0, [])


def test_hook_that_meets_another_loss_names_it_and_changes_nothing():
    model = built(retinanet({"type": "QualityFocalLoss", "use_sigmoid": True}))
    with pytest.raises(DetectionError, match=r"bbox_head.loss_cls is a .*QualityFocalLoss"):
        replace_losses(model, -1.0)
    model = built(mask_rcnn())
    model.rpn_head.loss_cls = torch.nn.BCEWithLogitsLoss()
    with pytest.raises(DetectionError, match=r"rpn_head.loss_cls is a torch"):
        replace_losses(model, -1.0, ["bbox_head", "rpn_head"])
    assert type(model.roi_head.bbox_head.loss_cls) is CrossEntropyLoss


def test_hook_fails_before_training(scenes, tmp_path):
    recorder = LossRecorder()
    runner = Runner.from_cfg(Config(training(mask_rcnn(), scenes, tmp_path)))
    for hook in (PolyLossHook(heads="dense_head"), recorder):
        runner.register_hook(hook)
    with pytest.raises(DetectionError, match="dense_head"):
        runner.train()
    assert not recorder.losses


@pytest.mark.parametrize("epsilon", [float("nan"), "one", None])
def test_wrong_epsilon_is_refused_when_the_hook_is_built(epsilon):
    with pytest.raises((TypeError, ValueError), match="epsilon"):
        HOOKS.build({"type": "PolyLossHook", "epsilon": epsilon})


@pytest.mark.parametrize(
    "make, loss", [(mask_rcnn, "roi_head.bbox_head"), (retinanet, "bbox_head")]
)
def test_p_t_is_recorded_per_epoch_for_stock_losses(scenes, tmp_path, make, loss):
    hook = {"type": "TargetProbabilityHook", "bins": 10}
    train(make(), scenes, tmp_path, [hook], epochs=2)
    first, second = records(tmp_path)
    assert (first["epoch"], first["iteration"], first["loss"]) == (1, 2, f"{loss}.loss_cls")
    assert (second["epoch"], second["iteration"]) == (2, 4)
    for group in ("foreground", "background"):
        values = first[group]
        assert sum(values["histogram"]) == values["count"] > 0
        assert 0 < values["mean_pt"] < 1 and len(values["histogram"]) == 10
    if make is mask_rcnn:
        # For cross-entropy the leading term's share is P_t.
        assert first["foreground"]["leading_share"] == pytest.approx(first["foreground"]["mean_pt"])
