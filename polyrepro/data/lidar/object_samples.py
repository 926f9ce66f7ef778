"""Objects of KITTI's training frames with their points, which training pastes into other frames.

MMDetection3D calls them a database and writes a pickle; this is the same as JSON: class to a list
of objects with `path` of their points (their middle is the origin), `box3d_lidar` and
`num_points_in_gt`. They are of the training frames alone, without those that are held out.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.kitti_boxes import camera_to_lidar, points_in_box
from polyrepro.data.lidar.kitti_frames import CAMERA
from polyrepro.files import whole_folder

FOLDER, LIST = "samples", "samples.json"


def write_samples(
    frames: list[dict], points: Path, values: int, classes: tuple[str, ...], folder: Path
) -> dict:
    """Cut the objects out of checked frames, into `folder/samples`.

    Args:
        frames: of the training.
        points: folder of their points.
        values: numbers per point.

    Returns:
        What the manifest says about them: `per_class`, `ground_planes` (whether all frames have
        one) and `sha256` of the list.
    """
    found: dict[str, list[dict]] = {name: [] for name in classes}
    with whole_folder(folder / FOLDER) as place:
        place.mkdir()
        for frame in frames:
            path = points / frame["lidar_points"]["lidar_path"]
            cloud = np.fromfile(path, np.float32).reshape(-1, values)
            lidar_to_camera = np.array(frame["images"][CAMERA]["lidar2cam"], float)
            for number, entry in enumerate(frame["instances"]):
                box = camera_to_lidar(entry["bbox_3d"], lidar_to_camera)
                own = cloud[points_in_box(cloud, box)]
                if not len(own):
                    continue
                own[:, :3] -= np.float32(box[:3])
                name = classes[entry["bbox_label_3d"]]
                file = f"{frame['sample_idx']}_{name}_{number}.bin"
                own.tofile(place / file)
                found[name].append(
                    {
                        "name": name,
                        "path": file,
                        "box3d_lidar": box,
                        "num_points_in_gt": len(own),
                        "difficulty": entry["difficulty"],
                    }
                )
        raw = json.dumps(found).encode()
        (place / LIST).write_bytes(raw)
    return {
        "per_class": [len(entries) for entries in found.values()],
        "ground_planes": all("plane" in frame for frame in frames),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }


def checked_samples(folder: Path, manifest: dict) -> Path:
    """The list that :func:`write_samples` has written into the folder of a verified data set.

    Raises:
        DataError: if it is missing or has changed.
    """
    path = folder / FOLDER / LIST
    raw = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(raw).hexdigest() != manifest.get("samples", {}).get("sha256"):
        raise DataError(
            f"{path} is missing or has changed since the data were verified; make it with: "
            f"polyrepro data verify {folder.name} --output {folder}"
        )
    return path
