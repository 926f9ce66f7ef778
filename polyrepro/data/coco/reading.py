"""Reading annotation files in COCO's format: objects by their place in the file, no more."""

import json
from dataclasses import dataclass
from pathlib import Path

from polyrepro.data.in_memory.image_arrays import DataError

LISTS = ("images", "annotations", "categories")

Content = dict[str, dict[str, dict]]
"""Of an annotation file, or of a part of it: the entries of its lists by their place in the file,
such as `images[3]`, which messages name."""


@dataclass(frozen=True)
class CocoSource:
    """One split.

    Attributes:
        annotations: a COCO annotation file.
        images: the folder that its file names are relative to.
        content: of the file, or the part of it that is this split; by default it is read.
    """

    annotations: Path
    images: Path
    content: Content | None = None

    def read(self) -> Content:
        """The content.

        Raises:
            DataError: as :func:`read_coco` raises it.
        """
        return read_coco(self.annotations) if self.content is None else self.content


def read_coco(path: Path) -> Content:
    """The content of an annotation file, in UTF-8, -16 or -32, with or without byte-order mark.

    Raises:
        DataError: if it is missing, or not in COCO's format.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"cannot read the annotation file {path}: {error.strerror}; give the root of a data "
            "set in COCO's format, as docs/detection.md describes it"
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"the annotation file {path} is not in Unicode ({error}); save it as UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"the annotation file {path} is no JSON: {error}; export it again"
        ) from None
    for key in LISTS:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise DataError(f"the annotation file {path} is not in COCO's format: no list {key!r}")
    entries = {key: {f"{key}[{i}]": entry for i, entry in enumerate(content[key])} for key in LISTS}
    for places in entries.values():
        for place, entry in places.items():
            if not isinstance(entry, dict):
                raise DataError(
                    f"{path}: {place} is {shortened(entry)} instead of an object with its keys; "
                    "correct or remove it"
                )
    return entries


def shortened(value: object) -> str:
    """A value as messages show it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
