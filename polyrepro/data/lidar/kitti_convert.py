"""`polyrepro data convert kitti`: from KITTI's own files of 3D object detection to our layout.

Read are `training/velodyne/*.bin` (x, y, z and intensity), `training/label_2/*.txt`,
`training/calib/*.txt`, the sizes of the images in `training/image_2/*.png`, the ground planes in
`training/planes/*.txt` if there are any, and the lists of frames `ImageSets/train.txt` and
`val.txt`. The result is MMDetection3D's layout with JSON annotations: `kitti_infos_train.json`, and
`training/velodyne_reduced/*.bin` with the points that the left colour camera sees.

**Never run on the real files**: the tests write files of the documented format, and compare the
points with those that MMDetection3D keeps.
"""

import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.frames import NAMED
from polyrepro.data.lidar.kitti_boxes import camera_to_lidar, points_in_box, points_in_image
from polyrepro.data.lidar.kitti_frames import CAMERA
from polyrepro.data.lidar.kitti_text import calibration, labels, plane
from polyrepro.data.lidar.lidar_format import KITTI_CLASSES
from polyrepro.files import write_json

SPLITS = ("train", "val")
POINT_VALUES = 4
USUAL_SIZE = (1242, 375)
"""Width and height in pixels of most of KITTI's images, for copies without images."""


def convert_kitti(root: Path, output: Path) -> dict[str, int]:
    """Convert the frames of both lists.

    Points are written first and the annotation files last, so that what was interrupted is not
    taken for complete; what is there already is written again.

    Args:
        root: folder with `training/` and `ImageSets/`.
        output: folder for the layout, which is the `--root` of `polyrepro data verify kitti`; it
            may be `root`.

    Returns:
        Number of frames by split.

    Raises:
        DataError: if a list or a file of a frame is missing, or cannot be read.
    """
    names = {split: _names(root, split) for split in SPLITS}
    twice = sorted(set(names["train"]) & set(names["val"]))
    if twice:
        raise DataError(
            f"{len(twice)} frames are in both lists of {root / 'ImageSets'}, the first: "
            f"{', '.join(twice[:NAMED])}; leave each in one, or the test is none"
        )
    training = root / "training"
    images = _require_files(training, [name for split in SPLITS for name in names[split]])
    place = output / "training" / "velodyne_reduced"
    place.mkdir(parents=True, exist_ok=True)
    _require_room(training / "velodyne", place)
    annotations = {split: output / f"kitti_infos_{split}.json" for split in SPLITS}
    for path in annotations.values():
        path.unlink(missing_ok=True)
    contents = {}
    for split in SPLITS:
        contents[split] = [_frame(training, name, images, place) for name in names[split]]
        print(f"{split}: {len(names[split])} frames", file=sys.stderr)
    categories = {name: number for number, name in enumerate(KITTI_CLASSES)}
    for split, frames in contents.items():
        info = {"dataset": "kitti", "categories": categories}
        write_json(annotations[split], {"metainfo": info, "data_list": frames})
    return {split: len(frames) for split, frames in contents.items()}


def _frame(training: Path, name: str, images: bool, place: Path) -> dict:
    """Write the reduced points of a frame; its annotations."""
    lidar_to_camera, projection = calibration(training / "calib" / f"{name}.txt")
    size = _image_size(training / "image_2" / f"{name}.png") if images else USUAL_SIZE
    points = _points(training / "velodyne" / f"{name}.bin")
    points = points[points_in_image(points, lidar_to_camera, projection, size)]
    points.tofile(place / f"{name}.bin")
    objects = labels(training / "label_2" / f"{name}.txt", KITTI_CLASSES)
    for entry in objects:
        inside = points_in_box(points, camera_to_lidar(entry["bbox_3d"], lidar_to_camera))
        entry["num_lidar_pts"] = int(inside.sum())
    ground = training / "planes" / f"{name}.txt"
    camera = {
        "lidar2cam": lidar_to_camera.tolist(),
        "cam2img": projection.tolist(),
        "width": size[0],
        "height": size[1],
    }
    return {
        "sample_idx": name,
        "lidar_points": {"lidar_path": f"{name}.bin", "num_pts_feats": POINT_VALUES},
        "images": {CAMERA: camera},
        "instances": objects,
        **({"plane": plane(ground)} if ground.is_file() else {}),
    }


def _points(path: Path) -> np.ndarray:
    values = np.fromfile(path, np.float32)
    if path.stat().st_size % (4 * POINT_VALUES):
        raise DataError(
            f"{path} has {path.stat().st_size} bytes, which is no whole number of points of "
            f"{POINT_VALUES} numbers of 4 bytes; fetch it again"
        )
    return values.reshape(-1, POINT_VALUES)


def _image_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"cannot read the size of {path}: {error}; fetch it again") from None


def _names(root: Path, split: str) -> list[str]:
    path = root / "ImageSets" / f"{split}.txt"
    try:
        names = path.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the list of frames {path} ({error}); --root is the folder with KITTI's "
            "training/, and MMDetection3D's documents say where ImageSets/ comes from: KITTI has "
            "no such lists of its own"
        ) from None
    wrong = [name for name in names if not name.isdecimal()]
    if wrong or not names:
        raise DataError(
            f"{path} must have the number of a frame on each line, like 000000; "
            + (f"found {wrong[0]!r}" if wrong else "it is empty")
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"{path} has the frame {repeated[0]} twice; remove one")
    return names


def _require_files(training: Path, names: list[str]) -> bool:
    """Check that all files of the frames are there; whether there are images, too."""
    images = (training / "image_2").is_dir()
    kinds = {"velodyne": "bin", "label_2": "txt", "calib": "txt"}
    kinds |= {"image_2": "png"} if images else {}
    wanted = [training / kind / f"{n}.{end}" for kind, end in kinds.items() for n in names]
    missing = [str(path) for path in wanted if not path.is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(wanted)} files are missing, the first: "
            f"{', '.join(missing[:NAMED])}; fetch them, too"
        )
    if not images:
        width, height = USUAL_SIZE
        print(
            f"{training / 'image_2'} does not exist, so all images count as {width} x {height} "
            "pixels; KITTI's differ by up to 18 x 6 pixels",
            file=sys.stderr,
        )
    return images


def _require_room(velodyne: Path, place: Path) -> None:
    """The camera sees less than a fifth of the points."""
    needed = sum(path.stat().st_size for path in velodyne.glob("*.bin")) // 5
    free = shutil.disk_usage(place).free
    if free < needed:
        raise DataError(
            f"{place} has room for {free / 1e9:.1f} GB, but the points need about "
            f"{needed / 1e9:.1f} GB; give another --output"
        )
