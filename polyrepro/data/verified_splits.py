"""What the verification of a detection data set leaves in its results folder, written and read.

An annotation file per split, and `index.json` with their checksums and where the images or points
lie; what lies inside the folder moves with it.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.data.manifests import MANIFEST, read_manifest
from polyrepro.files import write_atomically, write_json

INDEX = "index.json"


@dataclass(frozen=True, kw_only=True)
class DetectionData:
    """A verified data set for detectors, as a training reads it.

    Attributes:
        classes: names, in the order of the labels.
        annotations: annotation file of each split.
        citation: what a run record says about its data: the manifest.
    """

    name: str
    classes: tuple[str, ...]
    annotations: dict[str, Path]
    citation: dict

    def count(self, split: str, most: int | None = None) -> int:
        """Number of images (or frames) of a split, or `most` if that is less."""
        images = self.citation["splits"][split]["images"]
        return images if most is None else min(images, most)


class VerifiedSplits(NamedTuple):
    """Annotation file and place of the images or points of each split, and the manifest."""

    annotations: dict[str, Path]
    places: dict[str, Path]
    manifest: dict


def annotation_file(folder: Path, split: str) -> Path:
    """Where the annotations of a split are written."""
    return folder / f"{split}.json"


def write_splits(folder: Path, contents: dict[str, dict], key: str, places: dict[str, Path]):
    """Write annotations and index; an older manifest is removed first.

    Args:
        contents: of the annotation file of each split.
        key: what lies at the places: `images` or `points`.
        places: where they lie, by split.
    """
    # An older manifest must not be left beside new files if this process is killed.
    (folder / MANIFEST).unlink(missing_ok=True)
    index = {}
    for split, content in contents.items():
        raw = json.dumps(content, allow_nan=False).encode()
        write_atomically(annotation_file(folder, split), raw)
        place = places[split].absolute()
        inside = place.is_relative_to(folder.absolute())
        index[split] = {
            key: str(place.relative_to(folder.absolute()) if inside else place),
            "sha256": _sha256(raw),
        }
    write_json(folder / INDEX, index)


def read_splits(folder: Path, key: str) -> VerifiedSplits:
    """What :func:`write_splits` has written.

    Raises:
        DataError: if the data set was not verified, or a file of the verification was changed.
    """
    mend = f"make it with: polyrepro data verify {folder.name} --output {folder}"
    try:
        index = json.loads((folder / INDEX).read_bytes())
        annotations = {split: annotation_file(folder, split) for split in index}
        places = {split: folder / where[key] for split, where in index.items()}
        expected = {split: where["sha256"] for split, where in index.items()}
        found = {split: _sha256(path.read_bytes()) for split, path in annotations.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder} holds no verified data set ({type(error).__name__}: {error}); {mend}"
        ) from None
    for split, path in annotations.items():
        if found[split] != expected[split]:
            raise DataError(f"{path} has changed since the data were verified; {mend}")
    return VerifiedSplits(annotations, places, read_manifest(folder))


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
