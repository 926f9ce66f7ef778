"""Finding the splits of a LiDAR data set in MMDetection3D's layouts of Waymo's and KITTI's data."""

from dataclasses import dataclass
from pathlib import Path

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.frames import LidarSource, read_frames
from polyrepro.data.lidar.lidar_format import KITTI, KITTI_CLASSES, WAYMO_CLASSES, verify_lidar

NAMES = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}
"""What a split may be called in the names of its annotation file."""
HELD_OUT_PART = 10
"""Where there is no test split, every tenth segment of the training is held out, at least one."""


@dataclass(frozen=True)
class Layout:
    """What distinguishes the layouts.

    Attributes:
        points: name of the folder of the points. Of KITTI's only those that the camera sees count,
            because nothing else has labels.
        in_segments: whether frames follow each other closely, in segments named `context_name`.
    """

    classes: tuple[str, ...]
    points: str
    in_segments: bool


LAYOUTS = {
    "waymo": Layout(WAYMO_CLASSES, "velodyne", in_segments=True),
    KITTI: Layout(KITTI_CLASSES, "velodyne_reduced", in_segments=False),
}
AS_JSON = (
    "python -c \"import mmengine; mmengine.dump(mmengine.load('{pickle}'), '{json}')\" makes it of "
    "MMDetection3D's own file, which is a pickle and could run code when it is read: only do that "
    "with one that you made yourself"
)


def verify_lidar_folder(name: str, root: Path, folder: Path) -> dict:
    """Find, check and index a data set; for its layout see docs/lidar.md.

    Without annotations of a test split (Waymo's and KITTI's own are not public) `val` is the test
    split, and a tenth of the training, of Waymo's whole segments, is held out for validation, so
    that test frames choose nothing.

    Args:
        name: a key of `LAYOUTS`.

    Raises:
        DataError: if a split is not found, or as `verify_lidar` raises it.
    """
    sources = {split: _source(name, root, split) for split in NAMES}
    for split in ("train", "validation"):
        if sources[split] is None:
            raise _missing(name, root, split)
    if sources["test"] is None:
        sources["test"] = sources["validation"]
        sources["train"], sources["validation"] = _held_out(name, sources["train"])
    return verify_lidar(name, sources, LAYOUTS[name].classes, folder)


def _stems(name: str, split: str) -> list[str]:
    return [f"{name}_infos_{spelling}" for spelling in NAMES[split]]


def _source(name: str, root: Path, split: str) -> LidarSource | None:
    for stem in _stems(name, split):
        annotations = root / f"{stem}.json"
        if annotations.is_file():
            spelling = stem.rpartition("_")[2]
            # MMDetection3D keeps the points of training and validation in one folder.
            parts = (spelling, "training", "testing")
            candidates = [root / part / LAYOUTS[name].points for part in parts]
            places = [place for place in candidates if place.is_dir()]
            return LidarSource(annotations, (places or candidates)[0])
    return None


def _missing(name: str, root: Path, split: str) -> DataError:
    stems = _stems(name, split)
    mend = "give it annotations"
    pickles = [root / f"{stem}.pkl" for stem in stems if (root / f"{stem}.pkl").is_file()]
    if pickles:
        mend = AS_JSON.format(pickle=pickles[0], json=pickles[0].with_suffix(".json"))
    return DataError(
        f"{root} has no annotation file for the split {split!r}; looked for "
        f"{', '.join(f'{stem}.json' for stem in stems)}; {mend}"
    )


def _held_out(name: str, train: LidarSource) -> tuple[LidarSource, LidarSource]:
    """The training split without every tenth segment, or frame, and these.

    Frames of a segment lie a tenth of a second apart and are nearly alike, so they stay together.
    """
    frames = read_frames(train.annotations)
    keys = [str(frame.get("context_name")) for frame in frames]
    keys = keys if LAYOUTS[name].in_segments else list(range(len(frames)))
    segments = list(dict.fromkeys(keys))
    if len(segments) < 2:
        raise DataError(
            f"{train.annotations} has no test split beside it, so a part of its segments is held "
            "out for validation, but its frames are of one segment (`context_name`); give a test "
            "split, or the frames the names of their segments"
        )
    held_out = set(segments[HELD_OUT_PART - 1 :: HELD_OUT_PART] or segments[-1:])
    parts: dict[bool, list[dict]] = {False: [], True: []}
    for frame, key in zip(frames, keys, strict=True):
        parts[key in held_out].append(frame)
    return tuple(LidarSource(train.annotations, train.points, part) for part in parts.values())
