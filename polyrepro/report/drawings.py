"""Drawings of the page in half of the bytes, which look the same.

Typst turns each PDF into SVG that repeats every marker with all its attributes and a clip of its
own. Here equal shapes are defined once, clips that cut nothing off are left out, and numbers are
rounded.
"""

import base64
import re
from collections import Counter
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
PATH, USE, GROUP, DEFS, CLIP = (f"{{{SVG}}}{n}" for n in ("path", "use", "g", "defs", "clipPath"))
EMBEDDED = re.compile(r'src="data:image/svg\+xml;base64,([^"]*)"')
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")

DECIMALS = 3
"""Of points: at the largest zoom an error of 0.002 pixels."""

FEWEST = 3
"""Shapes that are drawn as often are defined once."""


def with_small_drawings(page: str) -> str:
    """A page of Typst's with its drawings in fewer bytes.

    Args:
        page: HTML whose drawings are embedded as base64.
    """
    return EMBEDDED.sub(lambda found: f'src="{_address(base64.b64decode(found[1]))}"', page)


def _address(drawing: bytes) -> str:
    """A drawing as an address; of its text only three characters need an escape."""
    text = smaller(drawing.decode()).replace("%", "%25").replace("#", "%23").replace('"', "'")
    return f"data:image/svg+xml,{text}"


def smaller(drawing: str) -> str:
    """An SVG drawing of Typst's that looks the same and is shorter."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(drawing)
    for element in root.iter():
        element.text = element.tail = None
    _simplify_clips(root)
    _unwrap_groups(root)
    _define_once(root)
    for element in root.iter():
        if "d" in element.attrib:
            element.set("d", NUMBER.sub(_rounded, element.attrib["d"]))
    return ElementTree.tostring(root, encoding="unicode")


def _rounded(number: re.Match[str]) -> str:
    return f"{round(float(number[0]), DECIMALS) + 0.0:g}" if "." in number[0] else number[0]


def _matrix(element: Element) -> list[float]:
    """The six numbers of an element's transform; Typst writes all of them as matrices."""
    found = re.fullmatch(r"matrix\((.*)\)", element.get("transform", "matrix(1 0 0 1 0 0)"))
    return [float(number) for number in found[1].split()] if found else []


def _bounds(shape: Element) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of a path with its line; none of what has no such bounds here."""
    matrix, numbers = _matrix(shape), [float(n) for n in NUMBER.findall(shape.get("d", ""))]
    # Letters other than these have other arguments than points.
    plain = not set(re.findall("[A-Za-z]", NUMBER.sub("", shape.get("d", "")))) - set("MLCZ")
    if shape.tag != PATH or not numbers or not plain or len(matrix) < 6:
        return None
    a, b, c, d, e, f = matrix
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    points = [(a * x + c * y + e, b * x + d * y + f) for x, y in pairs]
    # The corner of a line reaches out by its width times the miter limit, at most.
    reach = 0.0
    if "stroke" in shape.attrib:
        width = float(shape.get("stroke-width", 1)) * max(abs(n) for n in (a, b, c, d))
        miter = shape.get("stroke-linejoin", "miter") == "miter"
        reach = width * (float(shape.get("stroke-miterlimit", 4)) if miter else 1.0)
    across, down = zip(*points, strict=True)
    return min(across) - reach, min(down) - reach, max(across) + reach, max(down) + reach


def _simplify_clips(root: Element) -> None:
    """Leave out rectangular clips that hold all that they clip; equal ones get one name."""
    clips = {f"url(#{clip.get('id')})": clip for clip in root.iter(CLIP)}
    names: dict[str, str] = {}
    same = {name: names.setdefault(_content(clip), name) for name, clip in clips.items()}
    used = set()
    for group in root.iter(GROUP):
        name = group.get("clip-path", "")
        if name in clips and _holds(clips[name], group):
            del group.attrib["clip-path"]
        elif name in clips:
            group.set("clip-path", same[name])
            used.add(same[name])
    for defs in root.iter(DEFS):
        for clip in [of for of in defs if of.tag == CLIP and f"url(#{of.get('id')})" not in used]:
            defs.remove(clip)


def _content(clip: Element) -> str:
    return repr([(of.tag, sorted(of.attrib.items())) for of in clip.iter() if of is not clip])


def _holds(clip: Element, group: Element) -> bool:
    """Whether a clip is a rectangle that cuts nothing off from a group of paths."""
    area = _bounds(clip[0]) if len(clip) == 1 and _is_rectangle(clip[0]) else None
    if area is None:
        return False
    for shape in group:
        bounds = _bounds(shape)
        if bounds is None or bounds[0] < area[0] or bounds[1] < area[1]:
            return False
        if bounds[2] > area[2] or bounds[3] > area[3]:
            return False
    return True


def _is_rectangle(shape: Element) -> bool:
    numbers = NUMBER.findall(shape.get("d", ""))
    across, down = numbers[::2], numbers[1::2]
    return len(numbers) in (8, 10) and len(set(across)) == len(set(down)) == 2


def _unwrap_groups(root: Element) -> None:
    """Groups that say nothing leave their children where they were."""
    for parent in list(root.iter()):
        children = [
            child for of in parent for child in (of if of.tag == GROUP and not of.attrib else [of])
        ]
        parent[:] = children


def _kind(shape: Element) -> str:
    """All that a shape is apart from its place."""
    kept = sorted((name, value) for name, value in shape.attrib.items() if name != "transform")
    return repr((_matrix(shape)[:4], kept))


def _define_once(root: Element) -> None:
    """Shapes that differ in their places alone refer to one definition."""
    shapes = [of for parent in root.iter() if parent.tag != CLIP for of in parent if of.tag == PATH]
    shapes = [shape for shape in shapes if "id" not in shape.attrib and len(_matrix(shape)) == 6]
    counts = Counter(map(_kind, shapes))
    defs = ElementTree.SubElement(root, DEFS)
    names: dict[str, str] = {}
    for shape in shapes:
        kind, matrix = _kind(shape), _matrix(shape)
        if counts[kind] < FEWEST:
            continue
        if kind not in names:
            names[kind] = f"s{len(names)}"
            turned = " ".join(f"{number:g}" for number in matrix[:4])
            attributes = shape.attrib | {"id": names[kind], "transform": f"matrix({turned} 0 0)"}
            ElementTree.SubElement(defs, PATH, attributes)
        shape.tag = USE
        shape.attrib.clear()
        x, y = (f"{round(number, DECIMALS):g}" for number in matrix[4:])
        shape.attrib.update({"href": f"#{names[kind]}", "x": x, "y": y})
