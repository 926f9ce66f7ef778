"""LiDAR data in MMDetection3D's layout: checked once, before anything is trained on it.

Training, evaluation and figures read what :func:`verify_lidar` writes into a data set's results
folder: an annotation file per split with what is used of it, and `index.json`, which says where the
points lie. The manifest says what the data are; records cite it.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from polyrepro.data.image_arrays import DataError
from polyrepro.data.lidar_frames import (
    NAMED,
    LidarSource,
    checked_frames,
    checked_points,
)
from polyrepro.data.manifests import MANIFEST, read_manifest
from polyrepro.files import write_atomically, write_json

INDEX = "index.json"
WAYMO_CLASSES = ("Car", "Pedestrian", "Cyclist")
"""MMDetection3D's numbers of Waymo's classes; it leaves signs out."""
KITTI_CLASSES = (
    *("Pedestrian", "Cyclist", "Car", "Van", "Truck", "Person_sitting", "Tram", "Misc"),
)
"""The same for KITTI."""


@dataclass(frozen=True)
class LidarData:
    """A verified LiDAR data set, as a training reads it.

    Attributes:
        classes: names, in the order of the labels.
        point_values: numbers per point in the files.
        annotations, points: annotation file and folder of points of each split.
        citation: what a run record says about its data: the manifest.
    """

    name: str
    classes: tuple[str, ...]
    point_values: int
    annotations: dict[str, Path]
    points: dict[str, Path]
    citation: dict

    def count(self, split: str, most: int | None = None) -> int:
        """Number of frames of a split, or `most` if that is less."""
        frames = self.citation["splits"][split]["images"]
        return frames if most is None else min(frames, most)


def open_lidar(folder: Path) -> LidarData:
    """What :func:`verify_lidar` found.

    Raises:
        DataError: if the data set was not verified, or a file of the verification was changed.
    """
    mend = f"make it with: polyrepro data verify {folder.name} --output {folder}"
    try:
        index = json.loads((folder / INDEX).read_bytes())
        annotations = {split: _verified_file(folder, split) for split in index}
        # Points of a data set that was made in this folder move with it.
        points = {split: folder / where["points"] for split, where in index.items()}
        found = {s: _sha256(path.read_bytes()) for s, path in annotations.items()}
        expected = {s: where["sha256"] for s, where in index.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder} holds no verified LiDAR data ({type(error).__name__}: {error}); {mend}"
        ) from None
    for split, path in annotations.items():
        if found[split] != expected[split]:
            raise DataError(f"{path} has changed since the data were verified; {mend}")
    manifest = read_manifest(folder)
    return LidarData(
        name=manifest["dataset"],
        classes=tuple(manifest["classes"]),
        point_values=manifest["point_values"],
        annotations=annotations,
        points=points,
        citation=manifest,
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
        `sha256` over annotations and points.

    Raises:
        DataError: naming the file and what is wrong with it, as `checked_frames` and
            `checked_points` do; for a split without objects, for splits that share points, and for
            points of several lengths.
    """
    frames = {
        split: checked_frames(source.read(), classes, source.annotations)
        for split, source in sources.items()
    }
    _require_disjoint(frames, sources)
    values = _point_values(frames, sources)
    splits = {}
    for split, source in sources.items():
        counted = _count(frames[split], classes)
        if not counted["objects"]:
            raise DataError(
                f"{source.annotations}: the split {split!r} has no object among its "
                f"{len(frames[split]):,} frames; give it annotations"
            )
        read, checksum = checked_points(frames[split], source)
        splits[split] = counted | {"images_read": read, "sha256": checksum}
    _write(frames, sources, classes, folder)
    return {
        "dataset": name,
        "classes": list(classes),
        "point_values": values,
        "splits": splits,
    }


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
    # An older manifest must not be left beside new files if this process is killed.
    (folder / MANIFEST).unlink(missing_ok=True)
    index = {}
    categories = {name: number for number, name in enumerate(classes)}
    for split, entries in frames.items():
        content = {"metainfo": {"categories": categories}, "data_list": entries}
        raw = json.dumps(content, allow_nan=False).encode()
        write_atomically(_verified_file(folder, split), raw)
        points = sources[split].points.absolute()
        inside = points.is_relative_to(folder.absolute())
        index[split] = {
            "points": str(points.relative_to(folder.absolute()) if inside else points),
            "sha256": _sha256(raw),
        }
    write_json(folder / INDEX, index)


def _verified_file(folder: Path, split: str) -> Path:
    return folder / f"{split}.json"


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
