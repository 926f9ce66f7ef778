"""Images and categories of an annotation file: checked, and their ids made usable."""

import posixpath
from collections.abc import Hashable

from polyrepro.data.coco.masks import is_number
from polyrepro.data.coco.notes import Notes
from polyrepro.data.coco.reading import Content, shortened
from polyrepro.data.in_memory.image_arrays import DataError

MOST_IDS = 2**31
"""Ids are below it; numpy and torch keep them in numbers of 32 bits here and there."""


def checked_categories(content: Content, notes: Notes) -> dict[Hashable, str]:
    """Names by id, in the order of the file, which is MMDetection's order of classes.

    Raises:
        DataError: naming the first entry without an id or name of its own.
    """
    categories = content["categories"]
    ids = _unique_ids(categories, notes)
    names = []
    for place, entry in categories.items():
        name = entry.get("name")
        if name == "" or not (isinstance(name, str) or is_number(name)):
            raise DataError(
                f"{notes.path}: {place} has the name {shortened(name)}; give it a "
                "`name` that is a text"
            )
        names.append(str(name))
    if not names or len(set(names)) < len(names):
        raise DataError(
            f"{notes.path}: `categories` must have at least one entry, and names of their own; got "
            f"{shortened(names)}"
        )
    return dict(zip(ids, names, strict=True))


def checked_images(content: Content, notes: Notes) -> dict[Hashable, dict]:
    """Images by the id that the file gives them, with `id`, `file_name`, `width`, `height`.

    Raises:
        DataError: naming the first entry that lacks one of them, repeats an id, or whose file name
            leaves the folder of images; or if there is none.
    """
    images = content["images"]
    if not images:
        raise DataError(f"{notes.path} has no images; give the split some, or remove the file")
    ids = _unique_ids(images, notes)
    numbers = usable_ids("images", dict(zip(images, ids, strict=True)), 0, notes)
    found = {}
    for (place, entry), given, number in zip(images.items(), ids, numbers, strict=True):
        where = f"{notes.path}: {place} (id {shortened(given)})"
        found[given] = {
            "id": number,
            "file_name": _file_name(entry, where),
            "width": _side(entry, "width", where),
            "height": _side(entry, "height", where),
        }
    return found


def usable_ids(key: str, ids: dict[str, object], least: int, notes: Notes) -> list[int]:
    """The ids as they are, or if one cannot be used, numbers from 1 for all; that is noted.

    pycocotools takes a match with annotation 0 for no match, and the last of several annotations
    that share an id for all of them.

    Args:
        ids: by the place of their entry.
    """
    seen: set[int] = set()
    fine = True
    for place, given in ids.items():
        if type(given) is not int or not least <= given < MOST_IDS or given in seen:
            fine = False
            notes.add(
                f"{key} whose id is missing, repeated, or no whole number from {least} to "
                f"{MOST_IDS - 1:,}; all {len(ids):,} ids are renumbered from 1",
                f"{place} has {shortened(given)}",
            )
        else:
            seen.add(given)
    return list(ids.values()) if fine else list(range(1, len(ids) + 1))


def leaves_folder(name: str) -> bool:
    """Whether a file name, followed from a folder, leads out of it."""
    inside = posixpath.normpath(name)
    return inside.startswith("/") or inside.split("/")[0] == ".."


def checked_id(entry: dict, key: str, where: str) -> Hashable:
    """An id as the file has it, a number or a text.

    Raises:
        DataError: if it is missing or something else.
    """
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        found = f"has {key} {shortened(value)}" if key in entry else f"has no `{key}`"
        raise DataError(f"{where} {found}; it must be a whole number")
    return value


def _unique_ids(entries: dict[str, dict], notes: Notes) -> list[Hashable]:
    ids: dict[Hashable, str] = {}
    for place, entry in entries.items():
        where = f"{notes.path}: {place}"
        value = checked_id(entry, "id", where)
        if value in ids:
            raise DataError(
                f"{where} repeats the id {shortened(value)} of {ids[value]}; ids must be unique"
            )
        ids[value] = place
    return list(ids)


def _file_name(entry: dict, where: str) -> str:
    name = entry.get("file_name")
    if not isinstance(name, str) or not name:
        raise DataError(f"{where} has the file_name {shortened(name)}; name the file of the image")
    if leaves_folder(name):
        raise DataError(
            f"{where}: the file_name {shortened(name)} leaves the folder of the images; write "
            "names relative to that folder"
        )
    return name


def _side(entry: dict, key: str, where: str) -> int:
    value = entry.get(key)
    if not is_number(value) or value != int(value) or value < 1:
        raise DataError(
            f"{where} must have `width` and `height` in whole pixels, got {key} {shortened(value)}"
        )
    return int(value)
