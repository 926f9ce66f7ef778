"""A light PointPillars for the embedded scale, made of MMDetection3D's own parts.

Pillars of 0.32 m over the square ahead of the sensor, a short backbone, one level of anchors: a car
and a pedestrian in two directions each. About a thousand anchors and classes are wrong for one that
is right, as the focal loss expects.
"""

import hashlib
from pathlib import Path

import polyrepro.data
from polyrepro.detection.detection_errors import DetectionError

WEIGHTS = Path(polyrepro.data.__file__).parent / "embedded/pointpillars.safetensors"
SHA256 = "293bfa3e656327c26552d39d47bc84bceece261ecf1a3df910db48fa8df9975a"
SCRIPT = "scripts/make_embedded_pointpillars_weights.py"
"""What made the weights."""
BODY = ("voxel_encoder.", "backbone.", "neck.")
"""Parts whose initial weights are shipped; the head's are drawn anew for each run."""
RANGE = (0.0, -20.48, -2.0, 40.96, 20.48, 4.0)
"""Lower x, y, z and upper x, y, z of the points that are used, in metres."""
PILLAR = (0.32, 0.32, 6.0)
GRID = (128, 128)
USED_VALUES = 4
"""Numbers per point that are read: x, y, z, intensity."""
CHANNELS = (32, 48)
ANCHORS = {"Car": (4.6, 1.95, 1.65), "Pedestrian": (0.8, 0.72, 1.72), "Cyclist": (1.8, 0.8, 1.7)}
"""Length, width and height of each class's anchor, in metres."""
LEAST_OVERLAP = {"Car": (0.5, 0.35), "Pedestrian": (0.4, 0.25), "Cyclist": (0.4, 0.25)}
"""Overlap, seen from above, from which an anchor is right, and up to which it is wrong."""
NORM = {"type": "BN", "eps": 1e-3, "momentum": 0.05}


def weights() -> Path:
    """The file of the body's initial weights.

    Raises:
        DetectionError: if it is missing or its checksum differs.
    """
    mend = f"restore it with `git checkout` or make it again with {SCRIPT}"
    try:
        found = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    except OSError as error:
        raise DetectionError(
            f"cannot read the weights {WEIGHTS}: {error.strerror}; {mend}"
        ) from None
    if found != SHA256:
        raise DetectionError(
            f"the weights {WEIGHTS} are damaged: sha256 is {found}, expected {SHA256}; {mend}"
        )
    return WEIGHTS


def pointpillars(classes: tuple[str, ...]) -> dict:
    """Configuration of a light PointPillars for these classes, keys of `ANCHORS`."""
    return {
        "type": "VoxelNet",
        "data_preprocessor": {
            "type": "Det3DDataPreprocessor",
            "voxel": True,
            "voxel_layer": {
                "max_num_points": 12,
                "point_cloud_range": list(RANGE),
                "voxel_size": list(PILLAR),
                "max_voxels": (GRID[0] * GRID[1],) * 2,
            },
        },
        "voxel_encoder": {
            "type": "PillarFeatureNet",
            "in_channels": USED_VALUES,
            "feat_channels": [CHANNELS[0]],
            "voxel_size": list(PILLAR),
            "point_cloud_range": list(RANGE),
            "norm_cfg": {**NORM, "type": "BN1d"},
            "legacy": False,
        },
        "middle_encoder": {
            "type": "PointPillarsScatter",
            "in_channels": CHANNELS[0],
            "output_shape": list(GRID),
        },
        "backbone": {
            "type": "SECOND",
            "in_channels": CHANNELS[0],
            "out_channels": list(CHANNELS),
            "layer_nums": [2, 2],
            "layer_strides": [2, 2],
            "norm_cfg": NORM,
        },
        "neck": {
            "type": "SECONDFPN",
            "in_channels": list(CHANNELS),
            "out_channels": [32, 32],
            "upsample_strides": [1, 2],
            "norm_cfg": NORM,
        },
        "bbox_head": _head(classes),
        "train_cfg": {
            "assigner": [_assigner(*LEAST_OVERLAP[name]) for name in classes],
            "allowed_border": 0,
            "pos_weight": -1,
            "debug": False,
        },
        "test_cfg": {
            "use_rotate_nms": True,
            "nms_across_levels": False,
            "nms_pre": 300,
            "nms_thr": 0.1,
            "score_thr": 0.05,
            "min_bbox_size": 0,
            "max_num": 60,
        },
    }


def _head(classes: tuple[str, ...]) -> dict:
    low, high = RANGE[:2], RANGE[3:5]
    return {
        "type": "Anchor3DHead",
        "num_classes": len(classes),
        "in_channels": 64,
        "feat_channels": 64,
        "use_direction_classifier": True,
        "assign_per_class": True,
        "anchor_generator": {
            "type": "AlignedAnchor3DRangeGenerator",
            # Anchors stand on the ground.
            "ranges": [[*low, 0.0, *high, 0.0]] * len(classes),
            "sizes": [list(ANCHORS[name]) for name in classes],
            "rotations": [0, 1.57],
            "reshape_out": False,
        },
        "diff_rad_by_sin": True,
        "dir_offset": -0.7854,
        "bbox_coder": {"type": "DeltaXYZWLHRBBoxCoder"},
        "loss_cls": {
            "type": "mmdet.FocalLoss",
            "use_sigmoid": True,
            "gamma": 2.0,
            "alpha": 0.25,
            "loss_weight": 1.0,
        },
        "loss_bbox": {"type": "mmdet.SmoothL1Loss", "beta": 1 / 9, "loss_weight": 2.0},
        "loss_dir": {"type": "mmdet.CrossEntropyLoss", "use_sigmoid": False, "loss_weight": 0.2},
    }


def _assigner(positive: float, negative: float) -> dict:
    return {
        "type": "Max3DIoUAssigner",
        "iou_calculator": {"type": "BboxOverlapsNearest3D"},
        "pos_iou_thr": positive,
        "neg_iou_thr": negative,
        "min_pos_iou": negative,
        "ignore_iof_thr": -1,
    }
