"""Configurations of small detectors made of MMDetection's own parts."""


def _backbone() -> dict:
    return {
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": [60.0] * 3,
            "std": [60.0] * 3,
            "pad_mask": True,
            "pad_size_divisor": 32,
        },
        "backbone": {
            "type": "ResNet",
            "depth": 18,
            "base_channels": 8,
            "norm_cfg": {"type": "GN", "num_groups": 4},
        },
        "neck": {
            "type": "FPN",
            "in_channels": [8, 16, 32, 64],
            "out_channels": 16,
            "num_outs": 5,
        },
    }


def _anchors() -> dict:
    return {
        "type": "AnchorGenerator",
        "scales": [4],
        "ratios": [0.5, 1.0, 2.0],
        "strides": [4, 8, 16, 32, 64],
    }


def _assigner(positive: float, negative: float) -> dict:
    return {
        "type": "MaxIoUAssigner",
        "pos_iou_thr": positive,
        "neg_iou_thr": negative,
        "min_pos_iou": 0.0,
        "ignore_iof_thr": -1,
    }


def _sampler(number: int) -> dict:
    return {"type": "RandomSampler", "num": number, "pos_fraction": 0.5, "neg_pos_ub": -1}


def _roi_extractor(size: int) -> dict:
    return {
        "type": "SingleRoIExtractor",
        "roi_layer": {"type": "RoIAlign", "output_size": size, "sampling_ratio": 0},
        "out_channels": 16,
        "featmap_strides": [4, 8, 16, 32],
    }


def mask_rcnn(loss_cls: dict | None = None, num_classes: int = 2) -> dict:
    """Configuration of a small Mask R-CNN; ``loss_cls`` is that of the box head."""
    proposals = {
        "nms_pre": 100,
        "max_per_img": 40,
        "nms": {"type": "nms", "iou_threshold": 0.7},
        "min_bbox_size": 0,
    }
    sampled = {"pos_weight": -1, "debug": False}
    return {
        "type": "MaskRCNN",
        **_backbone(),
        "rpn_head": {
            "type": "RPNHead",
            "in_channels": 16,
            "feat_channels": 16,
            "anchor_generator": _anchors(),
            "bbox_coder": {"type": "DeltaXYWHBBoxCoder"},
            "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 1.0},
            "loss_bbox": {"type": "L1Loss"},
        },
        "roi_head": {
            "type": "StandardRoIHead",
            "bbox_roi_extractor": _roi_extractor(7),
            "bbox_head": {
                "type": "Shared2FCBBoxHead",
                "in_channels": 16,
                "fc_out_channels": 32,
                "num_classes": num_classes,
                "loss_cls": loss_cls or {"type": "CrossEntropyLoss", "loss_weight": 0.7},
                "loss_bbox": {"type": "L1Loss"},
            },
            "mask_roi_extractor": _roi_extractor(14),
            "mask_head": {
                "type": "FCNMaskHead",
                "num_convs": 1,
                "in_channels": 16,
                "conv_out_channels": 16,
                "num_classes": num_classes,
                "loss_mask": {"type": "CrossEntropyLoss", "use_mask": True},
            },
        },
        "train_cfg": {
            "rpn": {
                "assigner": _assigner(0.7, 0.3),
                "sampler": {**_sampler(64), "add_gt_as_proposals": False},
                "allowed_border": -1,
                **sampled,
            },
            "rpn_proposal": proposals,
            "rcnn": {
                "assigner": _assigner(0.5, 0.5),
                "sampler": {**_sampler(32), "add_gt_as_proposals": True},
                "mask_size": 28,
                **sampled,
            },
        },
        "test_cfg": {
            "rpn": proposals,
            "rcnn": {
                "score_thr": 0.05,
                "nms": {"type": "nms", "iou_threshold": 0.5},
                "max_per_img": 10,
                "mask_thr_binary": 0.5,
            },
        },
    }


def retinanet(loss_cls: dict | None = None, num_classes: int = 2) -> dict:
    """Configuration of a small RetinaNet; ``loss_cls`` is that of the dense head."""
    return {
        "type": "RetinaNet",
        **_backbone(),
        "bbox_head": {
            "type": "RetinaHead",
            "num_classes": num_classes,
            "in_channels": 16,
            "feat_channels": 16,
            "stacked_convs": 1,
            "anchor_generator": _anchors(),
            "bbox_coder": {"type": "DeltaXYWHBBoxCoder"},
            "loss_cls": loss_cls
            or {"type": "FocalLoss", "use_sigmoid": True, "gamma": 1.5, "alpha": 0.3},
            "loss_bbox": {"type": "L1Loss"},
        },
        "train_cfg": {
            "assigner": _assigner(0.5, 0.4),
            "sampler": {"type": "PseudoSampler"},
            "allowed_border": -1,
            "pos_weight": -1,
            "debug": False,
        },
        "test_cfg": {
            "nms_pre": 100,
            "min_bbox_size": 0,
            "score_thr": 0.01,
            "nms": {"type": "nms", "iou_threshold": 0.5},
            "max_per_img": 10,
        },
    }
