"""The order of figures and tables that leaves the smallest holes at the ends of pages.

A figure that does not fit the rest of a page leaves it empty. A table can be divided and fills it.
Of each section the typesetting reports where its text ends and the heights of what follows.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

MOST_PARTS = 6
"""Sections with more figures than that keep them in the order of the report; the table may move."""

LEAST = 85.0
"""Points that the beginning of a table needs: its caption, its head and the first rows."""

UNSEEN = 70.0
"""Points at the end of a page that a reader takes for no hole: a tenth of it."""


@dataclass(frozen=True)
class Section:
    """What follows the text of a section.

    Attributes:
        at: points from the beginning of the first page to the end of the text, as if pages followed
            each other without margins.
        page: points of a whole page.
        heights: of the figures, and of what can be divided, which is the last.
        in_order: whether figures keep their order.
    """

    name: str
    at: float
    page: float
    heights: Sequence[float]
    in_order: bool

    def best_order(self, shift: float) -> list[int]:
        """Numbers of the parts in the order in which they follow the text.

        Of orders with equal holes it is the one nearest to the given order; holes that nobody would
        see are equal.

        Args:
            shift: points by which the end of the text moves.
        """
        *figures, divided = range(len(self.heights))
        orders = [[*figures[:place], divided, *figures[place:]] for place in (*figures, divided)]
        if not self.in_order and len(self.heights) <= MOST_PARTS:
            orders = [list(order) for order in itertools.permutations([*figures, divided])]
        return min(orders, key=lambda order: (self.filled(order, shift)[0], _moved(order)))

    def filled(self, order: Sequence[int], shift: float) -> tuple[float, float]:
        """Points left empty at the ends of pages, as far as seen, and points from first to last."""
        left = self.page - (self.at + shift) % self.page
        empty = used = 0.0
        for part in order:
            height, divided = self.heights[part], part == len(self.heights) - 1
            if (min(height, LEAST) if divided else height) > left:
                empty += left if left > UNSEEN else 0.0
                used += left
                left = self.page
            used += height
            left = (left - height) % self.page if divided else left - height
        return empty, used


def best_orders(sections: Sequence[Section], current: dict[str, list[int]]) -> dict[str, list[int]]:
    """The best order of each section; what changes in one moves the next ones.

    Args:
        sections: in the order of the report, as typeset with the current orders.
    """
    shift, orders = 0.0, {}
    for section in sections:
        order = section.best_order(shift)
        before = current.get(section.name, list(range(len(section.heights))))
        shift += section.filled(order, shift)[1] - section.filled(before, 0.0)[1]
        orders[section.name] = order
    return orders


def _moved(order: Sequence[int]) -> int:
    """How many pairs are the other way round than given."""
    return sum(first > second for first, second in itertools.combinations(order, 2))
