"""The order of figures and tables that leaves the smallest holes at the ends of pages.

A figure that does not fit the rest of a page leaves it empty. A table can be divided and fills it.
Of each section the typesetting reports the space after its text and the heights of what follows.
"""

import itertools
from collections.abc import Sequence

MOST_PARTS = 6
"""Sections with more figures than that keep them in the order of the report; the table may move."""

LEAST = 85.0
"""Points that the beginning of a table needs: its caption, its head and the first rows."""

UNSEEN = 70.0
"""Points at the end of a page that a reader takes for no hole: a tenth of it."""


def order_of(
    free: float, page: float, heights: Sequence[float], in_order: bool = False
) -> list[int]:
    """The order in which a section's parts follow its text.

    Args:
        free: points left on the page after the text.
        page: points of a whole page.
        heights: of the figures, and of what can be divided, which is the last.
        in_order: whether figures keep their order.

    Returns:
        Numbers of the parts. Of orders with equal holes the one nearest to the given order; holes
        that nobody would see are equal.
    """
    *figures, divided = range(len(heights))
    orders = [[*figures[:place], divided, *figures[place:]] for place in range(len(heights))]
    if not in_order and len(heights) <= MOST_PARTS:
        orders = [list(order) for order in itertools.permutations([*figures, divided])]
    return min(
        orders,
        key=lambda order: (holes(order, free, page, heights), _moved(order)),
    )


def holes(order: Sequence[int], free: float, page: float, heights: Sequence[float]) -> float:
    """Points left empty at the ends of pages, as far as a reader would see them."""
    empty, left = 0.0, free
    for part in order:
        divided = part == len(heights) - 1
        height = heights[part]
        if (min(height, LEAST) if divided else height) > left:
            empty += left if left > UNSEEN else 0.0
            left = page
        if divided:
            while height > left:
                height -= left
                left = page
        left -= height
    return empty


def _moved(order: Sequence[int]) -> int:
    """How many pairs are the other way round than given."""
    return sum(first > second for first, second in itertools.combinations(order, 2))
