"""Light detectors for the embedded scale: a timm backbone, a short feature pyramid, light heads.

They are Mask R-CNN and RetinaNet, made of MMDetection's own parts, for images of about 100 to 300
pixels: two pyramid levels, few anchors, few proposals.
"""

from pathlib import Path

import timm

import polyrepro.data
from polyrepro.detection.backbone import FrozenFPN, TimmBackbone

WEIGHTS = Path(polyrepro.data.__file__).parent / "embedded/detector.safetensors"
BACKBONE = "test_byobnet"
LEVELS = (2, 3)
"""Feature levels of the backbone that feed the pyramid: strides 8 and 16."""
CHANNELS = 48
MEAN, STD = 110.0, 60.0
"""Near enough to any picture; batch normalisation does the rest."""
RATIOS = (0.5, 1.0, 2.0)


def features(frozen: bool) -> tuple[dict, list[int]]:
    """Configurations of preprocessor, backbone and pyramid, and the pyramid's strides."""
    info = timm.create_model(BACKBONE, features_only=True, out_indices=LEVELS).feature_info
    return {
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
            "bgr_to_rgb": True,
            "pad_mask": True,
            "pad_size_divisor": 32,
        },
        "backbone": {
            "type": TimmBackbone.__name__,
            "model_name": BACKBONE,
            "out_indices": LEVELS,
            "frozen": frozen,
        },
        "neck": {
            "type": FrozenFPN.__name__ if frozen else "FPN",
            "in_channels": info.channels(),
            "out_channels": CHANNELS,
            "num_outs": len(LEVELS),
            "norm_cfg": {"type": "BN"},
        },
    }, info.reduction()


def _anchors(strides: list[int], scales: list[float]) -> dict:
    return {
        "type": "AnchorGenerator",
        "scales": scales,
        "ratios": list(RATIOS),
        "strides": strides,
    }


def _assigner(positive: float, negative: float, least: float) -> dict:
    return {
        "type": "MaxIoUAssigner",
        "pos_iou_thr": positive,
        "neg_iou_thr": negative,
        "min_pos_iou": least,
        "ignore_iof_thr": -1,
    }


def _sampler(number: int, fraction: float, add_objects: bool) -> dict:
    return {
        "type": "RandomSampler",
        "num": number,
        "pos_fraction": fraction,
        "neg_pos_ub": -1,
        "add_gt_as_proposals": add_objects,
    }


def _roi_extractor(size: int, strides: list[int]) -> dict:
    return {
        "type": "SingleRoIExtractor",
        "roi_layer": {"type": "RoIAlign", "output_size": size, "sampling_ratio": 1},
        "out_channels": CHANNELS,
        "featmap_strides": strides,
        "finest_scale": 28,
    }


def mask_rcnn(num_classes: int, frozen: bool, masks: bool = True) -> dict:
    """Configuration of a light Mask R-CNN, or Faster R-CNN where the data have no masks."""
    common, strides = features(frozen)
    proposals = {
        "nms_pre": 200,
        "max_per_img": 60,
        "nms": {"type": "nms", "iou_threshold": 0.7},
        "min_bbox_size": 0,
    }
    model = {
        "type": "MaskRCNN" if masks else "FasterRCNN",
        **common,
        "rpn_head": {
            "type": "RPNHead",
            "in_channels": CHANNELS,
            "feat_channels": CHANNELS,
            "anchor_generator": _anchors(strides, [4.0]),
            "bbox_coder": {"type": "DeltaXYWHBBoxCoder"},
            "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True},
            "loss_bbox": {"type": "L1Loss"},
        },
        "roi_head": {
            "type": "StandardRoIHead",
            "bbox_roi_extractor": _roi_extractor(7, strides),
            "bbox_head": {
                "type": "Shared2FCBBoxHead",
                "in_channels": CHANNELS,
                "fc_out_channels": 128,
                "roi_feat_size": 7,
                "num_classes": num_classes,
                "bbox_coder": {
                    "type": "DeltaXYWHBBoxCoder",
                    "target_stds": [0.1, 0.1, 0.2, 0.2],
                },
                "reg_class_agnostic": True,
                "loss_cls": {"type": "CrossEntropyLoss"},
                "loss_bbox": {"type": "L1Loss"},
            },
        },
        "train_cfg": {
            "rpn": {
                "assigner": _assigner(0.7, 0.3, 0.3),
                "sampler": _sampler(64, 0.5, False),
                "allowed_border": -1,
                "pos_weight": -1,
                "debug": False,
            },
            "rpn_proposal": proposals,
            "rcnn": {
                "assigner": _assigner(0.5, 0.5, 0.5),
                "sampler": _sampler(48, 0.33, True),
                "mask_size": 14,
                "pos_weight": -1,
                "debug": False,
            },
        },
        "test_cfg": {
            "rpn": proposals,
            "rcnn": {
                "score_thr": 0.05,
                "nms": {"type": "nms", "iou_threshold": 0.5},
                "max_per_img": 30,
                "mask_thr_binary": 0.5,
            },
        },
    }
    if masks:
        model["roi_head"]["mask_roi_extractor"] = _roi_extractor(7, strides)
        model["roi_head"]["mask_head"] = {
            "type": "FCNMaskHead",
            "num_convs": 2,
            "roi_feat_size": 7,
            "upsample_cfg": {"type": "bilinear", "scale_factor": 2},
            "in_channels": CHANNELS,
            "conv_out_channels": CHANNELS,
            "num_classes": num_classes,
            "class_agnostic": True,
            "loss_mask": {"type": "CrossEntropyLoss", "use_mask": True},
        }
    return model


def retinanet(num_classes: int, frozen: bool) -> dict:
    """Configuration of a light RetinaNet."""
    common, strides = features(frozen)
    return {
        "type": "RetinaNet",
        **common,
        "bbox_head": {
            "type": "RetinaHead",
            "num_classes": num_classes,
            "in_channels": CHANNELS,
            "feat_channels": CHANNELS,
            "stacked_convs": 1,
            "anchor_generator": _anchors(strides, [2.5, 4.0]),
            "bbox_coder": {"type": "DeltaXYWHBBoxCoder"},
            "loss_cls": {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25},
            "loss_bbox": {"type": "L1Loss"},
        },
        "train_cfg": {
            "assigner": _assigner(0.5, 0.4, 0.0),
            "sampler": {"type": "PseudoSampler"},
            "allowed_border": -1,
            "pos_weight": -1,
            "debug": False,
        },
        "test_cfg": {
            "nms_pre": 300,
            "min_bbox_size": 0,
            "score_thr": 0.05,
            "nms": {"type": "nms", "iou_threshold": 0.5},
            "max_per_img": 30,
        },
    }
