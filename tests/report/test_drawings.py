"""Drawings in fewer bytes: the same shapes at the same places, with the same clips."""

import base64
from xml.etree import ElementTree

from polyrepro.report.drawings import smaller, with_small_drawings

MARKER = "M0,-0.4512345 C0.119341,-0.45 0.45,-0.119341 0.45,0 Z"
SIDE = "fill='none' stroke='#bbb' stroke-width='0.5' stroke-linejoin='round'"


def drawing(body, clips=""):
    head = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'>"
    return f"{head}\n    {body}\n    <defs>{clips}</defs></svg>"


def clip(name, left, top, right, bottom):
    corners = f"M{left},{top} L{right},{top} L{right},{bottom} L{left},{bottom} Z"
    return f"<clipPath id='{name}'><path d='{corners}'/></clipPath>"


def marker(x, y, *, clipped=""):
    path = f"<path d='{MARKER}' {SIDE} transform='matrix(1 0 0 -1 {x} {y})'/>"
    return f"<g clip-path='url(#{clipped})'>{path}</g>" if clipped else path


def tag(element):
    return element.tag.rpartition("}")[2]


def drawn(text):
    """Of each shape its path, place, paint and clip, in the order of drawing."""
    root = ElementTree.fromstring(text)
    named = {element.get("id"): element for element in root.iter() if element.get("id")}
    found = []

    def walk(element, outer):
        for child in element:
            inner = child.get("clip-path", outer)
            if tag(child) == "g":
                walk(child, inner)
            elif tag(child) == "use":
                shape = named[child.get("href")[1:]]
                found.append(shown(shape, inner, float(child.get("x")), float(child.get("y"))))
            elif tag(child) == "path":
                found.append(shown(child, inner))

    def shown(shape, name, x=0.0, y=0.0):
        matrix = shape.get("transform", "matrix(1 0 0 1 0 0)")[7:-1].split()
        *turned, across, down = map(float, matrix)
        area = named[name[5:-1]][0].get("d") if name else None
        place = round(across + x, 3), round(down + y, 3)
        paint = {key: shape.get(key) for key in ("fill", "stroke", "stroke-width")}
        return shape.get("d"), turned, place, paint, area

    walk(root, None)
    return found


def test_equal_shapes_are_defined_once_and_drawn_in_the_same_order_and_place():
    body = "".join(marker(x, 20.123456) for x in (1.5, 22.25, 33.123456)) + "<path d='M1,1 L2,2'/>"
    small = smaller(drawing(body))
    assert drawn(small) == [
        (d.replace("0.4512345", "0.451").replace("0.119341", "0.119"), *others)
        for d, *others in drawn(drawing(body))
    ]
    assert small.count("C0.119") == 1 and len(small) < len(drawing(body))


def test_a_clip_stays_if_it_cuts_anything_off():
    clips = clip("a", 0, 0, 20, 20) + clip("b", 0, 0, 10.2, 20) + clip("c", 0, 0, 10.2, 20)
    body = marker(10, 10, clipped="a") + marker(10, 10, clipped="b") + marker(10, 9, clipped="c")
    areas = [area for *_, area in drawn(smaller(drawing(body, clips)))]
    assert areas == [None, *2 * ["M0,0 L10.2,0 L10.2,20 L0,20 Z"]]
    assert smaller(drawing(body, clips)).count("<clipPath") == 1


def test_the_width_of_a_line_counts_as_part_of_it():
    line = "<path d='M5,10 L15,10' stroke='#000' stroke-width='4' stroke-linejoin='round'/>"
    group = f"<g clip-path='url(#a)'>{line}</g>"
    for top, kept in ((7, True), (2, False)):
        assert ("clip-path" in smaller(drawing(group, clip("a", 0, top, 20, 18)))) is kept


def test_a_clip_that_is_no_rectangle_and_one_of_other_things_stay():
    triangle = "<clipPath id='a'><path d='M0,0 L99,0 L0,99 Z'/></clipPath>"
    image = "<g clip-path='url(#b)'><image width='5' height='5'/></g>"
    small = smaller(drawing(marker(9, 9, clipped="a") + image, triangle + clip("b", 0, 0, 9, 9)))
    assert small.count("clip-path=") == small.count("<clipPath") == 2


def test_drawings_of_a_page_become_text_that_an_address_may_have():
    svg = drawing("<path d='M0,0 L1.23456,1' fill='#ffffff' font-family='100%'/>")
    page = (
        f'<img src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}" alt="x">'
    )
    small = with_small_drawings(page + "<p>left</p>")
    assert small.startswith('<img src="data:image/svg+xml,<svg xmlns=')
    assert "fill='%23ffffff' font-family='100%25'" in small and "L1.235,1" in small
    assert small.endswith(' alt="x"><p>left</p>') and small.count('"') == page.count('"')
