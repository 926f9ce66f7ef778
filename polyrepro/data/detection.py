"""Detection data sets by name: how each is verified, and how a training opens it."""

from pathlib import Path

from polyrepro.data.coco_format import CocoData, open_coco
from polyrepro.data.image_arrays import DataError
from polyrepro.files import data_folder

COMPOSITES = "composites"
FOLDERS = ("coco", "coco_folder")
"""Data sets that the configuration gives a folder for."""
DETECTION_DATASETS = (COMPOSITES, *FOLDERS)


def verify_detection(name: str, root: Path | None, folder: Path) -> dict:
    """Make or check a detection data set; the result is its manifest.

    Args:
        root: folder in which `coco` or `coco_folder` lies; composites are made.
        folder: where index, corrected annotation files and composites are written.

    Raises:
        DataError: if the root is missing, or the data are not as they should be.
    """
    if name == COMPOSITES:
        # Imported here because planning needs neither pycocotools nor scipy.
        from polyrepro.data.composites import prepare_composites

        return prepare_composites(folder)
    from polyrepro.data.coco_folder import verify_coco_folder

    if root is None:
        raise DataError(
            f"the folder of the data set {name!r} is not known; name it in the configuration, for "
            f"example --config data='{{{name}: /datasets/{name}}}'"
        )
    return verify_coco_folder(name, root, folder)


def open_detection(name: str, results: Path) -> CocoData:
    """A verified detection data set."""
    return open_coco(data_folder(results, name))
