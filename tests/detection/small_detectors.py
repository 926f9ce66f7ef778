"""Small images with objects, and small detectors of MMDetection's own parts to train on them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("square", "disc")
CATEGORY_IDS = (3, 90)  # with a gap, as COCO has them
SIDE = 64


def write_scenes(folder: Path, images: int = 4, seed: int = 0) -> Path:
    """PNG images with bright objects and a COCO file; the last image has no object."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    entries, annotations = [], []
    for number in range(images):
        pixels = random.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
        entries.append({"id": number + 1, "file_name": f"{number}.png", "width": SIDE})
        entries[-1]["height"] = SIDE
        for _ in range(0 if number == images - 1 else 2):
            size, kind = int(random.integers(16, 30)), int(random.integers(2))
            x, y = (int(value) for value in random.integers(0, SIDE - size, 2))
            pixels[y : y + size, x : x + size, kind] = 220
            corners = [x, y, x + size, y, x + size, y + size, x, y + size]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number + 1,
                    "category_id": CATEGORY_IDS[kind],
                    "bbox": [x, y, size, size],
                    "area": size * size,
                    "segmentation": [corners],
                    "iscrowd": 0,
                }
            )
        Image.fromarray(pixels).save(folder / f"{number}.png")
    categories = [
        {"id": number, "name": name} for number, name in zip(CATEGORY_IDS, CLASSES, strict=True)
    ]
    content = {"images": entries, "annotations": annotations, "categories": categories}
    (folder / "scenes.json").write_text(json.dumps(content))
    return folder


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


def _pipeline(training: bool) -> list[dict]:
    annotations = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}
    resize = {"type": "Resize", "scale": (SIDE, SIDE), "keep_ratio": True}
    pack = {"type": "PackDetInputs"}
    if training:
        flip = {"type": "RandomFlip", "prob": 0.5}
        return [{"type": "LoadImageFromFile"}, annotations, resize, flip, pack]
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    return [{"type": "LoadImageFromFile"}, resize, annotations, {**pack, "meta_keys": keys}]


def _loader(scenes: Path, training: bool, classes: tuple[str, ...]) -> dict:
    return {
        "batch_size": 2,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": training},
        "dataset": {
            "type": "CocoDataset",
            "ann_file": str(scenes / "scenes.json"),
            "data_prefix": {"img": str(scenes)},
            "metainfo": {"classes": classes},
            "pipeline": _pipeline(training),
            "test_mode": not training,
            "filter_cfg": {"filter_empty_gt": False},
        },
    }


def training(
    model: dict,
    scenes: Path,
    work_dir: Path,
    hooks: list[dict] | None = None,
    epochs: int = 1,
    classes: tuple[str, ...] = CLASSES,
    validate: bool = False,
    **more,
) -> dict:
    """Configuration of a whole run, for ``mmengine.runner.Runner.from_cfg``."""
    config = {
        "default_scope": "mmdet",
        # mmengine keeps state in this process under the name of the experiment.
        "experiment_name": str(work_dir).replace("/", "_"),
        "model": model,
        "work_dir": str(work_dir),
        "train_dataloader": _loader(scenes, True, classes),
        "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": epochs, "val_interval": 1},
        "optim_wrapper": {
            "type": "OptimWrapper",
            "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9},
        },
        "param_scheduler": [{"type": "MultiStepLR", "milestones": [2], "gamma": 0.5}],
        "default_hooks": {"logger": {"type": "LoggerHook", "interval": 1}},
        "custom_hooks": hooks or [],
        "randomness": {"seed": 5},
        "log_level": "INFO",
    }
    if validate:
        config["val_dataloader"] = _loader(scenes, False, classes)
        config["val_cfg"] = {"type": "ValLoop"}
        config["val_evaluator"] = {
            "type": "CocoMetric",
            "ann_file": str(scenes / "scenes.json"),
            "metric": ["bbox"],
        }
    return {**config, **more}
