"""LiDAR data in MMDetection3D's layout: checked once, before anything is trained on it.

Training, evaluation and figures read what :func:`verify_lidar` writes into a data set's results
folder: an annotation file per split with what is used of it, and `index.json`, which says where the
points lie. The manifest says what the data are; records cite it.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.lidar.frames import (
    NAMED,
    LidarSource,
    checked_frames,
    checked_points,
)
from polyrepro.data.lidar.object_samples import checked_samples, write_samples
from polyrepro.data.verified_splits import DetectionData, read_splits, write_splits

KITTI = "kitti"
"""The data set whose frames have what `kitti_frames` says."""
WAYMO_CLASSES = ("Car", "Pedestrian", "Cyclist")
"""MMDetection3D's numbers of Waymo's classes; it leaves signs out."""
KITTI_CLASSES = (
    *("Pedestrian", "Cyclist", "Car", "Van", "Truck", "Person_sitting", "Tram", "Misc"),
)
"""The same for KITTI."""


@dataclass(frozen=True, kw_only=True)
class LidarData(DetectionData):
    """A verified LiDAR data set, as a training reads it.

    Its annotation files are those of MMDetection3D; KITTI's boxes are in the coordinates of a
    camera there.

    Attributes:
        point_values: numbers per point in the files.
        points: folder of points of each split.
        samples: of KITTI, the list that `object_samples` has written; None for others.
    """

    point_values: int
    points: dict[str, Path]
    samples: Path | None = None


def open_lidar(folder: Path) -> LidarData:
    """What :func:`verify_lidar` found.

    Raises:
        DataError: if the data set was not verified, or a file of the verification was changed.
    """
    annotations, points, manifest = read_splits(folder, "points")
    return LidarData(
        name=manifest["dataset"],
        classes=tuple(manifest["classes"]),
        point_values=manifest["point_values"],
        annotations=annotations,
        points=points,
        citation=manifest,
        samples=checked_samples(folder, manifest) if manifest["dataset"] == KITTI else None,
    )


def verify_lidar(
    name: str, sources: dict[str, LidarSource], classes: tuple[str, ...], folder: Path
) -> dict:
    """Check the splits of a data set; write their annotation files and `folder/index.json`.

    Frames may be without objects, and without points.

    Args:
        sources: by split, `train`, `validation` and `test`.
        classes: that labels are positions in.
        folder: where the files are written; only if everything is as it should be.

    Returns:
        The manifest: `classes`, `point_values`, and by split the numbers of frames (`images`, as
        for pictures), `objects`, objects `per_class`, `images_without_objects`, `images_read`, and
        `sha256` over annotations and points. For KITTI also `samples`, what
        :func:`polyrepro.data.lidar.object_samples.write_samples` has written.

    Raises:
        DataError: naming the file and what is wrong with it, as `checked_frames` and
            `checked_points` do; for a split without objects, or without any that its evaluation
            counts, for splits that share points, and for points of several lengths.
    """
    frames = {
        split: checked_frames(source.read(), classes, source.annotations, kitti=name == KITTI)
        for split, source in sources.items()
    }
    _require_disjoint(frames, sources)
    values = _point_values(frames, sources)
    splits = {}
    for split, source in sources.items():
        counted = _count(frames[split], classes)
        _require_objects(frames[split], split, source.annotations, name)
        read, checksum = checked_points(frames[split], source)
        splits[split] = counted | {"images_read": read, "sha256": checksum}
    _write(frames, sources, classes, folder)
    manifest = {
        "dataset": name,
        "classes": list(classes),
        "point_values": values,
        "splits": splits,
    }
    if name == KITTI:
        points = sources["train"].points
        manifest["samples"] = write_samples(frames["train"], points, values, classes, folder)
    return manifest


def _require_objects(frames: list[dict], split: str, path: Path, name: str) -> None:
    """Check before a training what its evaluation would find out after it."""
    points = [entry["num_lidar_pts"] for frame in frames for entry in frame["instances"]]
    # Waymo's metrics pass over objects that no ray has met.
    passed_over = split != "train" and name != KITTI and not any(points)
    if not points or passed_over:
        which = " with a point of the LiDAR (`num_lidar_pts`)" if points else ""
        mend = "give it annotations"
        if split == "test":
            mend += ", or remove the file: the validation split is then tested on"
        raise DataError(
            f"{path}: the split {split!r} has no object{which} among its {len(frames):,} frames; "
            f"{mend}"
        )


def _point_values(frames: dict[str, list[dict]], sources: dict[str, LidarSource]) -> int:
    counts: dict[int, str] = {}
    for split, entries in frames.items():
        for entry in entries:
            counts.setdefault(
                entry["lidar_points"]["num_pts_feats"],
                f"{sources[split].annotations}: {entry['lidar_points']['lidar_path']}",
            )
    if len(counts) > 1:
        listed = ", ".join(f"{values} ({where})" for values, where in counts.items())
        raise DataError(
            f"points have different numbers of values (`num_pts_feats`): {listed}; a network "
            "reads one kind, so give all the same"
        )
    return next(iter(counts))


def _require_disjoint(frames: dict[str, list[dict]], sources: dict[str, LidarSource]) -> None:
    owner: dict[Path, str] = {}
    shared = []
    for split, entries in frames.items():
        for entry in entries:
            path = sources[split].points / entry["lidar_points"]["lidar_path"]
            if owner.setdefault(path, split) != split:
                shared.append(f"{path} ({owner[path]} and {split})")
    if shared:
        raise DataError(
            f"{len(shared)} frames belong to two splits, the first: {', '.join(shared[:NAMED])}; "
            "leave each in one, or the test is none"
        )


def _count(frames: list[dict], classes: tuple[str, ...]) -> dict:
    labels = Counter(e["bbox_label_3d"] for frame in frames for e in frame["instances"])
    per_class = [labels[number] for number in range(len(classes))]
    empty = sum(not frame["instances"] for frame in frames)
    return {
        "images": len(frames),
        "objects": sum(per_class),
        "per_class": per_class,
        "images_without_objects": empty,
    }


def _write(
    frames: dict[str, list[dict]],
    sources: dict[str, LidarSource],
    classes: tuple[str, ...],
    folder: Path,
) -> None:
    for source in sources.values():
        if source.annotations.parent.resolve() == folder.resolve():
            raise DataError(
                f"{source.annotations} would lie among the files that are written; give another "
                "folder with --output"
            )
    categories = {name: number for number, name in enumerate(classes)}
    contents = {
        split: {"metainfo": {"categories": categories}, "data_list": entries}
        for split, entries in frames.items()
    }
    write_splits(folder, contents, "points", {s: source.points for s, source in sources.items()})
