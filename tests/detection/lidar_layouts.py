"""Small point clouds in MMDetection3D's KITTI and Waymo layouts, and its configurations on them."""

import copy
import math
import pickle
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.hub import get_config

KITTI = "mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py"
WAYMO = "mmdet3d::pointpillars/pointpillars_hv_secfpn_sbn-all_16xb2-2x_waymoD5-3d-3class.py"
WAYMO_CARS = WAYMO.replace("3class", "car")
CENTERPOINT = (
    "mmdet3d::centerpoint/"
    "centerpoint_pillar02_second_secfpn_head-circlenms_8xb4-cyclic-20e_nus-3d.py"
)
SIZES = {"Pedestrian": (0.8, 0.6, 1.7), "Cyclist": (1.8, 0.6, 1.7), "Car": (3.9, 1.6, 1.6)}
GROUND = -1.7
LIDAR_TO_CAMERA = [[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
# The limits of the configurations' grids, and those of grids of 64 cells.
SMALL = {69.12: 10.24, 39.68: 5.12, -39.68: -5.12, 496: 64, 432: 64}
SMALL |= {74.88: 10.24, -74.88: -10.24, 468: 64}


def scene(random: np.random.Generator, features: int, objects: int) -> tuple[np.ndarray, list]:
    """Points (n, features), and objects as (class, x, y, z of the bottom, l, w, h, yaw)."""
    ground = random.uniform([0, -5, GROUND], [10, 5, GROUND + 0.05], (300, 3))
    clouds, boxes = [ground], []
    for number in range(objects):
        name = list(SIZES)[number % len(SIZES)]
        x, y, yaw = 1.5 + 3.2 * number, random.uniform(-3, 3), random.uniform(-3, 3)
        surface = random.uniform(-0.5, 0.5, (40, 3)) * SIZES[name]
        cos, sin = math.cos(yaw), math.sin(yaw)
        turned = surface @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        clouds.append(turned + np.array([x, y, GROUND + SIZES[name][2] / 2]))
        boxes.append((name, x, y, GROUND, *SIZES[name], yaw))
    xyz = np.concatenate(clouds)
    return np.hstack([xyz, random.uniform(0, 1, (len(xyz), features - 3))]), boxes


def write_kitti(folder: Path, scenes: int = 3, objects: int = 3, seed: int = 0) -> Path:
    """KITTI's layout: point clouds, annotations, and objects to paste into scenes."""
    order = ["Pedestrian", "Cyclist", "Car"]
    pasted = {name: [] for name in order}
    entries = []
    for number in range(scenes):
        points, boxes = scene(np.random.default_rng(seed + number), 4, objects)
        name = f"{number:06d}.bin"
        _write(folder / "training/velodyne_reduced" / name, points)
        _write_objects(folder, "kitti", number, points, boxes, pasted)
        entries.append(
            {
                "sample_idx": number,
                "images": {"CAM2": _camera(number)},
                "lidar_points": {"num_pts_feats": 4, "lidar_path": name},
                "plane": [0.0, -1.0, 0.0, -GROUND],
                "instances": [
                    _kitti_instance(order, place, *box) for place, box in enumerate(boxes)
                ],
            }
        )
    categories = {name: label for label, name in enumerate(order)}
    for split in ("train", "val"):
        _dump(folder / f"kitti_infos_{split}.pkl", "kitti", categories, entries)
    (folder / "kitti_dbinfos_train.pkl").write_bytes(pickle.dumps(pasted))
    return folder


def write_waymo(folder: Path, scenes: int = 15, objects: int = 3, seed: int = 0) -> Path:
    """Waymo's layout; the configuration reads one frame in five."""
    order = ["Car", "Pedestrian", "Cyclist"]
    pasted = {name: [] for name in order}
    entries = []
    for number in range(scenes):
        points, boxes = scene(np.random.default_rng(seed + number), 6, objects)
        name = f"{number:07d}.bin"
        _write(folder / "training/velodyne" / name, points)
        _write_objects(folder, "waymo", number, points, boxes, pasted)
        entries.append(
            {
                "sample_idx": number,
                "timestamp": number,
                "context_name": "segment",
                "lidar_points": {"num_pts_feats": 6, "lidar_path": name},
                "instances": [
                    {"bbox_3d": list(values), "bbox_label_3d": order.index(kind)}
                    for kind, *values in boxes
                ],
            }
        )
    for split in ("train", "val"):
        _dump(folder / f"waymo_infos_{split}.pkl", "waymo", {}, entries)
    (folder / "waymo_dbinfos_train.pkl").write_bytes(pickle.dumps(pasted))
    return folder


def configuration(name: str, data: Path, work_dir: Path, hooks: list[dict], **more) -> Config:
    """An unedited configuration on a grid of 64 cells, with batches and epochs for a test."""
    config = get_config(name)
    config.merge_from_dict({"custom_imports": {"imports": ["polyrepro.detection"]}})
    plain = _on(data, _small(config.to_dict()))
    plain["train_dataloader"].update(batch_size=2, num_workers=0, persistent_workers=False)
    plain["train_cfg"].update(max_epochs=1, by_epoch=True)
    plain["train_cfg"].pop("type", None)
    plain["train_cfg"].pop("val_interval", None)
    plain["param_scheduler"] = []
    for loop in ("val", "test"):
        plain |= {f"{loop}_dataloader": None, f"{loop}_cfg": None, f"{loop}_evaluator": None}
    plain |= {"custom_hooks": hooks, "work_dir": str(work_dir), "randomness": {"seed": 5}}
    plain |= {"experiment_name": str(work_dir).replace("/", "_")}
    return Config(plain | more)


def small_grid(config: Config) -> Config:
    """A configuration with a grid of 64 cells a side."""
    return Config(_small(config.to_dict()))


def _write_objects(
    folder: Path, dataset: str, number: int, points: np.ndarray, boxes: list, pasted: dict
) -> None:
    """Cut the objects out of a scene, to be pasted into others."""
    for place, (kind, *values) in enumerate(boxes):
        path = f"{dataset}_gt_database/{number}_{kind}_{place}.bin"
        centred = points[300 + 40 * place : 340 + 40 * place].copy()
        centred[:, :3] -= values[:3]
        _write(folder / path, centred)
        box = np.array(values, dtype=np.float32)
        info = {"name": kind, "path": path, "box3d_lidar": box, "num_points_in_gt": 40}
        pasted[kind].append({**info, "difficulty": 0, "image_idx": number, "gt_idx": place})


def _camera(number: int) -> dict:
    projection = [[50.0, 0, 50, 0], [0, 50, 50, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    return {
        "img_path": f"{number:06d}.png",
        "height": 100,
        "width": 100,
        "lidar2cam": copy.deepcopy(LIDAR_TO_CAMERA),
        "cam2img": projection,
        "lidar2img": (np.array(projection) @ LIDAR_TO_CAMERA).tolist(),
    }


def _kitti_instance(order: list[str], place: int, kind: str, *box: float) -> dict:
    """Box in the camera's coordinates: x right, y down, z forward, and its sides l, h, w."""
    x, y, z, length, width, height, yaw = box
    return {
        "bbox": [10.0, 10.0, 60.0, 90.0],
        "bbox_label": order.index(kind),
        "bbox_3d": [-y, -z, x, length, height, width, -yaw - math.pi / 2],
        "bbox_label_3d": order.index(kind),
        "depth": x,
        "center_2d": [35.0, 50.0],
        "num_lidar_pts": 40,
        "difficulty": 0,
        "truncated": 0.0,
        "occluded": 0,
        "alpha": 0.0,
        "score": 0.0,
        "index": place,
        "group_id": place,
    }


def _write(path: Path, points: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    points.astype(np.float32).tofile(path)


def _dump(path: Path, dataset: str, categories: dict, entries: list[dict]) -> None:
    metainfo = {"dataset": dataset, "info_version": "1.1", "categories": categories}
    path.write_bytes(pickle.dumps({"metainfo": metainfo, "data_list": entries}))


def _small(value: object) -> object:
    if isinstance(value, dict):
        return {key: _small(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_small(part) for part in value)
    return SMALL.get(value, value) if isinstance(value, int | float) else value


def _on(data: Path, value: object) -> object:
    """The configuration with another place of its data."""
    if isinstance(value, dict):
        return {key: _on(data, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_on(data, part) for part in value)
    if isinstance(value, str):
        for root in ("data/kitti/", "data/waymo/kitti_format/"):
            value = value.replace(root, f"{data}/")
    return value
