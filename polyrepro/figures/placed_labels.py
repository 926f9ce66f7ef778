"""Labels of boxes in an image, none of which covers another one or leaves the image."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

Box = Sequence[float]
"""x, y, width, height; y downwards."""

PLACES = (
    *((0, 0, "left", "bottom"), (1, 0, "right", "bottom")),  # above the box
    *((0, 1, "left", "top"), (1, 1, "right", "top")),  # below it
    *((0, 0, "left", "top"), (0, 1, "left", "bottom")),  # inside
    *((1, 0.5, "left", "center"), (0, 0.5, "right", "center")),  # beside it
)
"""Parts of a box's width and height, and how a label is aligned there; the best place first."""


def place_labels(axes: Axes, labels: Sequence[tuple[Text, Box]]) -> None:
    """Put each label at the first place of its box where it covers no other, or covers least.

    The figure has to be laid out, and the labels to be left out of its layout.
    """
    image, taken = axes.get_window_extent(), []
    for label, box in labels:
        tried = [_try(axes, label, box, place, image) for place in PLACES]
        covered = [sum(_shared(extent, other) for other in taken) for _, _, extent in tried]
        place, point, extent = tried[covered.index(min(covered))]
        label.set(position=point, ha=place[2], va=place[3])
        taken.append(extent)


def _try(axes: Axes, label: Text, box: Box, place: tuple, image: Bbox) -> tuple:
    """A place, the point in data coordinates that keeps it within the image, and its extent."""
    x, y, width, height = box
    across, down, ha, va = place
    point = axes.transData.transform((x + across * width, y + down * height))
    label.set(position=axes.transData.inverted().transform(point), ha=ha, va=va)
    extent = label.get_window_extent().padded(1)
    shift = (
        max(image.x0 - extent.x0, 0) + min(image.x1 - extent.x1, 0),
        max(image.y0 - extent.y0, 0) + min(image.y1 - extent.y1, 0),
    )
    return place, axes.transData.inverted().transform(point + shift), extent.translated(*shift)


def _shared(one: Bbox, other: Bbox) -> float:
    """The area that two extents have in common."""
    common = Bbox.intersection(one, other)
    return 0.0 if common is None else common.width * common.height
