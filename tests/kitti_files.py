"""KITTI's own files of 3D object detection, a few frames of made-up roads in the real format."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

FRAMES = {"train": ("000000", "000003", "000007", "000010"), "val": ("000001", "000004", "000005")}
IMAGE = (1224, 370)
"""Width and height; one of the sizes that KITTI's images have."""
CLASSES = ("Car", "Pedestrian", "Cyclist")
SIZES = {"Car": (3.9, 1.6, 1.5), "Pedestrian": (0.8, 0.6, 1.7), "Cyclist": (1.8, 0.6, 1.7)}
GROUND = -1.7
DONT_CARE = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10"
CALIBRATION = """\
P0: 707.0493 0 604.0814 0 0 707.0493 180.5066 0 0 0 1 0
P1: 707.0493 0 604.0814 -379.7842 0 707.0493 180.5066 0 0 0 1 0
P2: 707.0493 0 604.0814 45.75831 0 707.0493 180.5066 -0.3454157 0 0 1 0.004981016
P3: 707.0493 0 604.0814 -334.1081 0 707.0493 180.5066 2.33066 0 0 1 0.003201153
R0_rect: 0.9999128 0.01009263 -0.008511932 -0.01012729 0.9999406 -0.004037671 0.008470675 0.004123522 0.9999556
Tr_velo_to_cam: 0.006927964 -0.9999722 -0.002757829 -0.02457729 -0.001162982 0.002749836 -0.9999955 -0.06127237 0.9999753 0.006931141 -0.001143899 -0.3321029
Tr_imu_to_velo: 0.9999976 0.0007553071 -0.002035826 -0.8086759 -0.0007854027 0.9998898 -0.01482298 0.3195559 0.002024406 0.01482454 0.9998881 -0.7997231
"""  # noqa: E501
PLANE = "# Plane\nWidth 4\nHeight 1\n-0.001 -1.0 0.0005 1.65\n"


def write_kitti_files(root: Path, planes: bool = False) -> Path:
    """`training/` and `ImageSets/`; the first frame of the training has no object with a box."""
    for folder in ("velodyne", "label_2", "calib", "image_2", "planes"):
        (root / "training" / folder).mkdir(parents=True)
    (root / "ImageSets").mkdir()
    for split, names in FRAMES.items():
        (root / "ImageSets" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for name in names:
            _write_frame(root / "training", name, objects=0 if name == "000000" else 3)
            if planes:
                (root / "training" / "planes" / f"{name}.txt").write_text(PLANE)
    return root


def matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P2, R0_rect and Tr_velo_to_cam of the calibration, (4, 4)."""
    lines = dict(line.split(": ") for line in CALIBRATION.splitlines())
    found = []
    for name, shape in (("P2", (3, 4)), ("R0_rect", (3, 3)), ("Tr_velo_to_cam", (3, 4))):
        matrix = np.eye(4)
        matrix[: shape[0], : shape[1]] = np.reshape(np.array(lines[name].split(), float), shape)
        found.append(matrix)
    return tuple(found)


def _write_frame(training: Path, name: str, objects: int) -> None:
    random = np.random.default_rng(int(name))
    around = random.uniform([-20, -20, GROUND, 0], [20, 20, GROUND + 0.03, 1], (2000, 4))
    ahead = random.uniform([5, -4, GROUND, 0], [10, 4, GROUND + 0.03, 1], (500, 4))
    clouds, lines = [around, ahead], [DONT_CARE]
    for number, kind in enumerate(CLASSES[:objects]):
        x, y, yaw = 6.8 + number, 2.5 * (number - 1), random.uniform(-3, 3)
        cloud = random.uniform(-0.49, 0.49, (60, 3)) * SIZES[kind]
        cos, sin = math.cos(yaw), math.sin(yaw)
        cloud = cloud @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        centre = np.array([x, y, GROUND + SIZES[kind][2] / 2])
        clouds.append(np.hstack([cloud + centre, random.uniform(0, 1, (60, 1))]))
        lines.append(_label(kind, np.array([x, y, GROUND]), yaw, number))
    points = np.concatenate(clouds).astype(np.float32)
    (training / "velodyne" / f"{name}.bin").write_bytes(points.tobytes())
    (training / "label_2" / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (training / "calib" / f"{name}.txt").write_text(CALIBRATION)
    Image.new("L", IMAGE).save(training / "image_2" / f"{name}.png")


def _label(kind: str, bottom: np.ndarray, yaw: float, number: int) -> str:
    projection, rectification, to_camera = matrices()
    length, width, height = SIZES[kind]
    place = (rectification @ to_camera @ np.append(bottom, 1))[:3]
    turn = (-yaw - math.pi / 2 + math.pi) % (2 * math.pi) - math.pi
    corners = place + np.array(
        [[x, -y, z] for x in (-0.5, 0.5) for y in (0, height) for z in (-0.5, 0.5)]
    )
    seen = np.hstack([corners, np.ones((8, 1))]) @ projection.T
    seen = np.clip(seen[:, :2] / seen[:, 2:3], 0, np.array(IMAGE) - 1)
    left, top, right, bottom_edge = (*seen.min(0), *seen.max(0))
    alpha = turn - math.atan2(place[0], place[2])
    numbers = (left, top, right, bottom_edge, height, width, length, *place, turn)
    listed = " ".join(f"{value:.4f}" for value in numbers)
    return f"{kind} {0.1 * number:.2f} {number % 2} {alpha:.4f} {listed}"
