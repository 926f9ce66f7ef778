"""The hook on heads of MMDetection3D: a loss is replaced, or training does not start."""

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)
pytest.importorskip("mmdet3d", reason="MMDetection3D is not installed")

import mmdet3d
from lidar_layouts import CENTERPOINT
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from polyrepro.detection import PolyLossHook
from polyrepro.detection.detection_errors import DetectionError

CONFIGS = Path(mmdet3d.__file__).parent / ".mim/configs"


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope("mmdet3d")
    yield
    init_default_scope("mmdet")


def losses_after_hook(config: str, heads=None) -> dict[str, str]:
    """Builds the model of a configuration and starts the hook on it; Poly losses by path."""
    model = Config.fromfile(CONFIGS / config).model
    for part in list(model.values()):
        if isinstance(part, dict):
            part.pop("init_cfg", None)
    silent = SimpleNamespace(info=lambda message: None)
    runner = SimpleNamespace(model=MODELS.build(model), logger=silent, cfg=Config())
    hook = PolyLossHook(epsilon=-1.0, heads=heads)
    hook.before_run(runner)
    hook.before_train(runner)
    return {
        path: type(module).__name__
        for path, module in runner.model.named_modules()
        if type(module).__name__.startswith("Poly")
    }


VOTENET = "votenet/votenet_8xb16_sunrgbd-3d.py"
POINT_RCNN = "point_rcnn/point-rcnn_8xb2_kitti-3d-3class.py"
IMVOTENET = "imvotenet/imvotenet_stage2_8xb16_sunrgbd-3d.py"


@pytest.mark.parametrize(
    ("config", "heads", "expected"),
    [
        (POINT_RCNN, None, {"roi_head.bbox_head.loss_cls": "PolyCrossEntropyLoss"}),
        (POINT_RCNN, "rpn_head", {"rpn_head.cls_loss": "PolyFocalLoss"}),
        (VOTENET, "semantic_loss", {"bbox_head.semantic_loss": "PolyCrossEntropyLoss"}),
        (
            "imvoxelnet/imvoxelnet_2xb4_sunrgbd-3d-10class.py",
            None,
            {"bbox_head.cls_loss": "PolyFocalLoss"},
        ),
        (
            "mvfcos3d/multiview-fcos3d_r101-dcn_8xb2_waymoD5-3d-3class.py",
            None,
            {"bbox_head_3d.loss_cls": "PolyFocalLoss"},
        ),
    ],
    ids=["PointRCNN", "PointRCNN's proposals", "VoteNet", "ImVoxelNet", "multi-view FCOS3D"],
)
def test_losses_are_replaced_whatever_their_heads_call_them(config, heads, expected):
    assert losses_after_hook(config, heads) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            "free_anchor/pointpillars_hv_fpn_head-free-anchor_sbn-all_8xb4-2x_nus-3d.py",
            r"^pts_bbox_head.loss_cls is never called: mmdet3d\S+.FreeAnchor3DHead computes",
        ),
        (
            CENTERPOINT.removeprefix("mmdet3d::"),
            r"GaussianFocalLoss, which has no Poly counterpart \(its labels are heat maps",
        ),
        (VOTENET, r"its losses are .*bbox_head.semantic_loss \(CrossEntropyLoss\).*in heads="),
        (IMVOTENET, r"^img_roi_head.bbox_head.loss_cls: .* frozen, .* that are trained in heads="),
    ],
    ids=["FreeAnchor", "CenterPoint", "VoteNet", "ImVoteNet"],
)
def test_a_loss_that_cannot_be_replaced_stops_the_training_before_it_starts(config, message):
    with pytest.raises(DetectionError, match=message):
        losses_after_hook(config)


def test_the_heads_of_imvotenet_that_are_trained_can_be_named():
    replaced = losses_after_hook(IMVOTENET, "pts_bbox_head_joint.semantic_loss")
    assert replaced == {"pts_bbox_head_joint.semantic_loss": "PolyCrossEntropyLoss"}
