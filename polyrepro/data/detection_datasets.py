"""Detection data sets by name: how each is verified, and how a training opens it."""

from pathlib import Path

from polyrepro.data.coco.coco_format import CocoData, open_coco
from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.lidar_format import LidarData, open_lidar
from polyrepro.files import data_folder

COMPOSITES, LIDAR_SCENES = "composites", "lidar_scenes"
MADE = (COMPOSITES, LIDAR_SCENES)
"""Data sets that are drawn by the package."""
FOLDERS = ("coco", "coco_folder")
"""Data sets that the configuration gives a folder for."""
LIDAR_FOLDERS = ("waymo", "kitti")
"""The same, with point clouds in the place of pictures."""
DETECTION_DATASETS = (*MADE, *FOLDERS, *LIDAR_FOLDERS)


def verify_detection(name: str, root: Path | None, folder: Path) -> dict:
    """Make or check a detection data set; the result is its manifest.

    Args:
        root: folder in which the data lie; those of `MADE` need none.
        folder: where index, corrected annotation files and data that are made are written.

    Raises:
        DataError: if the root is missing, or the data are not as they should be.
    """
    if name == COMPOSITES:
        # Imported here because planning needs neither pycocotools nor scipy.
        from polyrepro.data.drawn.composites import prepare_composites

        return prepare_composites(folder)
    if name == LIDAR_SCENES:
        from polyrepro.data.drawn.lidar_scenes import prepare_lidar_scenes

        return prepare_lidar_scenes(folder)
    if root is None:
        raise DataError(
            f"the folder of the data set {name!r} is not known; name it in the configuration, for "
            f"example --config data='{{{name}: /datasets/{name}}}'"
        )
    if name in LIDAR_FOLDERS:
        from polyrepro.data.lidar.lidar_folder import verify_lidar_folder

        return verify_lidar_folder(name, root, folder)
    from polyrepro.data.coco.coco_folder import verify_coco_folder

    return verify_coco_folder(name, root, folder)


def open_detection(name: str, results: Path) -> CocoData | LidarData:
    """A verified detection data set."""
    lidar = name == LIDAR_SCENES or name in LIDAR_FOLDERS
    return (open_lidar if lidar else open_coco)(data_folder(results, name))
