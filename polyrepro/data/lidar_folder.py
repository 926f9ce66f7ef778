"""Finding the splits of a LiDAR data set in MMDetection3D's layout of Waymo's data."""

from pathlib import Path

from polyrepro.data.image_arrays import DataError
from polyrepro.data.lidar_format import WAYMO_CLASSES, verify_lidar
from polyrepro.data.lidar_frames import LidarSource

NAMES = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}
"""What a split may be called in the names of its annotation file."""
POINTS = "velodyne"
AS_JSON = (
    "python -c \"import mmengine; mmengine.dump(mmengine.load('{pickle}'), '{json}')\" makes it of "
    "MMDetection3D's own file, which is a pickle and could run code when it is read: only do that "
    "with one that you made yourself"
)


def verify_lidar_folder(name: str, root: Path, folder: Path) -> dict:
    """Find, check and index a data set; for its layout see docs/detection.md.

    Raises:
        DataError: if a split is not found, or as `verify_lidar` raises it.
    """
    sources = {split: _source(name, root, split) for split in NAMES}
    return verify_lidar(name, sources, WAYMO_CLASSES, folder)


def _source(name: str, root: Path, split: str) -> LidarSource:
    stems = [f"{name}_infos_{spelling}" for spelling in NAMES[split]]
    found = [root / f"{stem}.json" for stem in stems if (root / f"{stem}.json").is_file()]
    if not found:
        pickles = [root / f"{s}.pkl" for s in stems if (root / f"{s}.pkl").is_file()]
        mend = f"give {'it' if split != 'test' else 'test frames'} annotations"
        if pickles:
            mend = AS_JSON.format(pickle=pickles[0], json=pickles[0].with_suffix(".json"))
        raise DataError(
            f"{root} has no annotation file for the split {split!r}; looked for "
            f"{', '.join(f'{stem}.json' for stem in stems)}; {mend}"
        )
    annotations = found[0]
    spelling = annotations.stem.rpartition("_")[2]
    # MMDetection3D keeps the points of training and validation in one folder.
    candidates = [root / part / POINTS for part in (spelling, "training", "testing")]
    places = [place for place in candidates if place.is_dir()]
    return LidarSource(annotations, (places or candidates)[0])
