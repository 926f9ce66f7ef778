"""The image files of a split in COCO's format: all there, of the stated size, decodable."""

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from polyrepro.data.coco.entries import leaves_folder
from polyrepro.data.coco.notes import NAMED, Notes, named
from polyrepro.data.coco.reading import CocoSource
from polyrepro.data.in_memory.image_arrays import DataError

FULLY_CHECKED = 1000
"""Of larger splits, evenly spaced images: as many are decoded, and their content enters the
checksum; of the others the header is read, and name and size of the file enter."""


def checked_files(images: list[dict], source: CocoSource, notes: Notes) -> tuple[list[dict], str]:
    """The images under the names that their files have, and a checksum.

    The checksum is over the annotation file, then each image's name and size and, of some, the
    content.

    Raises:
        DataError: naming the first images that are missing, have another size than stated once
            they are turned as their EXIF orientation says, or cannot be decoded.
    """
    found = _found(images, source, notes)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        checks = list(pool.map(lambda entry: _check_header(entry, source), found))
    faults = [fault for fault, _ in checks if fault]
    if faults:
        raise DataError(
            f"{len(faults)} of {len(images)} images of {source.annotations} do not fit:\n  "
            + "\n  ".join(faults[:NAMED])
        )
    for entry, (_, turned) in zip(found, checks, strict=True):
        if turned:
            notes.add(
                "images are turned as their EXIF orientation says; boxes have to fit what is seen",
                entry["file_name"],
            )
    return found, _checksum(found, source)


def variants(name: str) -> Iterator[str]:
    """A file name as it is, and as other systems write it: accents, separators, Latin-1."""
    yield name
    for form in ("NFC", "NFD"):
        yield unicodedata.normalize(form, name)
    yield name.replace("\\", "/")
    # Bytes that are no UTF-8 are kept as Python's file functions keep them.
    yield name.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def existing_name(folder: Path, name: str) -> str | None:
    """The variant of a file name that is there."""
    for variant in variants(name):
        if not leaves_folder(variant) and _is_file(folder / variant):
            return variant
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except ValueError:  # a character that no file name can have
        return False


def _found(images: list[dict], source: CocoSource, notes: Notes) -> list[dict]:
    found, missing = [], []
    for entry in images:
        name = existing_name(source.images, entry["file_name"])
        if name is None:
            missing.append(str(source.images / entry["file_name"]))
            continue
        if name != entry["file_name"]:
            notes.add("file names are written in another way on the disk; it is taken", name)
        found.append({**entry, "file_name": name})
    if missing:
        raise DataError(
            f"{len(missing)} of {len(images)} images of {source.annotations} are missing, the "
            f"first: {named(missing, len(missing))}; put them there, or give another root"
        )
    return found


def _check_header(entry: dict, source: CocoSource) -> tuple[str | None, bool]:
    """What is wrong with an image, and whether it is turned."""
    # Here because planning imports this module, and needs no Pillow.
    from polyrepro.data.decoding import is_turned, open_image, require_known_range, seen_size

    where = str(source.images / entry["file_name"])
    try:
        with open_image(Path(where), where) as image:
            require_known_range(image, where)
            stored, seen, turned = image.size, seen_size(image), is_turned(image)
    except DataError as error:
        return str(error), False
    stated = (entry["width"], entry["height"])
    if seen == stated:
        return None, turned
    mend = "correct the file, or restore the image"
    if stored == stated:
        mend = (
            "that is its size before it is turned as its EXIF orientation says; annotate the "
            "picture as it is seen, or remove the orientation from the image file"
        )
    return (
        f"the image {where} has {seen[0]} x {seen[1]} pixels, but its annotation file says "
        f"{stated[0]} x {stated[1]}: {mend}",
        turned,
    )


def _checksum(images: list[dict], source: CocoSource) -> str:
    from polyrepro.data.decoding import decode_rgb, open_image

    digest = hashlib.sha256(source.annotations.read_bytes())
    paths = {source.images / entry["file_name"]: entry["file_name"] for entry in images}
    step = max(1, len(paths) // FULLY_CHECKED)
    for number, (path, name) in enumerate(paths.items()):
        digest.update(os.fsencode(f"{name} {path.stat().st_size}"))
        if number % step == 0:
            raw = path.read_bytes()
            digest.update(raw)
            decode_rgb(open_image(raw, str(path)), str(path))
    return digest.hexdigest()
