"""Which masks of an annotation file can be used; pycocotools would stop, or crash, at the others.

It takes two points for a box, reads memory that is not its own where a run-length code is too
short, and draws any number of pixels for a polygon far away.
"""

import math

Segmentation = list | dict
"""Polygons as lists of x and y in turn, or a run-length code with `size` and `counts`."""


def usable_mask(segmentation: object, width: int, height: int) -> Segmentation | None:
    """The part of a `segmentation` that is a mask of an image, or None if there is none.

    Polygons of fewer than three points, or with coordinates that are no finite numbers or more
    than the image's side away from it, are left out. A run-length code has to fill the image; one
    that is a list of numbers is compressed.
    """
    if isinstance(segmentation, dict):
        return _usable_code(segmentation, width, height)
    if not isinstance(segmentation, list):
        return None
    if segmentation and all(is_number(value) for value in segmentation):
        segmentation = [segmentation]  # one polygon that is not in a list of polygons
    return [part for part in segmentation if _is_polygon(part, width, height)] or None


def covers_pixels(mask: Segmentation, width: int, height: int) -> bool:
    """Whether a usable mask has a pixel; a polygon without a width, or off the image, has none."""
    from pycocotools import mask as coco_mask

    if isinstance(mask, list):
        return bool(coco_mask.area(coco_mask.frPyObjects(mask, height, width)).any())
    return bool(coco_mask.area(mask) > 0)


def is_number(value: object) -> bool:
    """Whether a value of a JSON file is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 2**53 and math.isfinite(value)


def _is_polygon(part: object, width: int, height: int) -> bool:
    if not isinstance(part, list) or len(part) < 6 or len(part) % 2:
        return False
    return all(
        is_number(value) and -side <= value <= 2 * side
        for values, side in ((part[::2], width), (part[1::2], height))
        for value in values
    )


def _usable_code(code: dict, width: int, height: int) -> dict | None:
    from pycocotools import mask  # here because planning imports this module

    counts = code.get("counts")
    if code.get("size") != [height, width]:
        return None
    lengths = _decoded(counts) if isinstance(counts, str) else counts
    if not isinstance(lengths, list) or not all(_is_length(number) for number in lengths):
        return None
    if sum(lengths) != height * width:
        return None
    if isinstance(counts, list):
        counts = mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        counts = counts["counts"].decode("ascii")
    return {"size": [height, width], "counts": counts}


def _is_length(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _decoded(text: str) -> list[int] | None:
    """Run lengths of COCO's compressed code: five bits a character, differences after the third."""
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    return None if shift else lengths
