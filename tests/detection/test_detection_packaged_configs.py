"""The hook on the configurations that MMDetection ships, unedited."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

import mmdet
from mmdet.registry import HOOKS, MODELS
from mmengine.config import Config

from polyrepro.detection import PolyLossHook
from polyrepro.detection.detection_errors import DetectionError

CONFIGS = Path(mmdet.__file__).parent / ".mim/configs"


def losses_after_hook(config: str, heads=None) -> dict[str, str]:
    """Builds the model without pretrained weights and applies the hook; losses by path."""
    model_config = Config.fromfile(CONFIGS / config).model
    model_config.backbone.init_cfg = None
    model = MODELS.build(model_config)
    silent = SimpleNamespace(info=lambda message: None)
    PolyLossHook(epsilon=-1.0, heads=heads).before_run(SimpleNamespace(model=model, logger=silent))
    return {
        path: type(module).__name__
        for path, module in model.named_modules()
        if type(module).__name__.startswith("Poly")
    }


BOX = "roi_head.bbox_head.loss_cls"


@pytest.mark.parametrize(
    "config, expected",
    [
        ("mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py", {BOX: "PolyCrossEntropyLoss"}),
        ("faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py", {BOX: "PolyCrossEntropyLoss"}),
        (
            "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py",
            {f"roi_head.bbox_head.{i}.loss_cls": "PolyCrossEntropyLoss" for i in range(3)},
        ),
        ("retinanet/retinanet_r50_fpn_1x_coco.py", {"bbox_head.loss_cls": "PolyFocalLoss"}),
        (
            "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
            {"bbox_head.loss_cls": "PolyFocalLoss"},
        ),
    ],
)
def test_classification_losses_are_replaced_and_no_others(config, expected):
    assert losses_after_hook(config) == expected


def test_heads_by_name_reach_the_losses_of_the_proposals():
    replaced = losses_after_hook("retinanet/retinanet_r50_fpn_1x_coco.py", "bbox_head")
    assert replaced == {"bbox_head.loss_cls": "PolyFocalLoss"}


def test_a_loss_without_a_counterpart_is_named():
    with pytest.raises(DetectionError, match="QualityFocalLoss"):
        losses_after_hook("gfl/gfl_r50_fpn_1x_coco.py")


def test_examples_of_the_guide_are_valid(tmp_path):
    guide = (Path(__file__).parents[2] / "docs/detection.md").read_text()
    first, *rest = re.findall(r"```python\n(.*?)```", guide, re.S)
    (tmp_path / "config.py").write_text(first)
    config = Config.fromfile(tmp_path / "config.py")
    assert config.model.type == "MaskRCNN"
    assert type(HOOKS.build(config.custom_hooks[0])) is PolyLossHook
    assert len(rest) == 4
    for example in rest:
        names = re.findall(r'type="(\w+)"', example)
        assert names and all(MODELS.get(name) or HOOKS.get(name) for name in names)
        compile(example, "guide", "exec")
