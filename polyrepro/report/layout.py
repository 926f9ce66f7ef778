"""The order of figures and tables that leaves the smallest holes at the ends of pages.

A figure that does not fit the rest of a page leaves it empty. A table can be divided and fills it.
Of each section the typesetting reports where its text ends and the heights of what follows.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_PARTS = 6
"""Sections with more figures than that keep them in the order of the report; the table may move."""


LOST, UNSURE = 0.5, 0.3
"""Of the points that the beginning of a table needs: what it loses where a page ends in it, because
a row does not fit and its head comes again, and by how much its end may lie lower than expected."""

SWAP = 30.0
"""Points of a hole that are as bad as two parts in another order than the report's."""

MOST_ROUTES = 12
"""How many choices for the sections so far are followed to the next section."""


@dataclass(frozen=True)
class Section:
    """What follows the text of a section.

    Attributes:
        at: points from the beginning of the first page to the end of the text, as if pages followed
            each other without margins.
        page: points of a whole page.
        heights: of the figures, and of what can be divided, which is the last.
        in_order: whether figures keep their order.
        least: points that the beginning of what can be divided needs: of a table its caption, its
            head and the first rows.
    """

    name: str
    at: float
    page: float
    heights: Sequence[float]
    in_order: bool
    least: float = 110.0

    @property
    def given(self) -> list[int]:
        """The order of the report: figures, then what can be divided."""
        return list(range(len(self.heights)))

    def orders(self) -> list[list[int]]:
        """Numbers of the parts in all orders in which they may follow the text."""
        *figures, divided = self.given
        if self.in_order or len(self.heights) > MOST_PARTS:
            return [[*figures[:place], divided, *figures[place:]] for place in (*figures, divided)]
        return [list(order) for order in itertools.permutations(self.given)]

    def holes(self, order: Sequence[int], shift: float) -> tuple[list[float], float]:
        """Points left empty at the end of each page, and points from the first part to the last.

        Args:
            shift: points by which the end of the text moves.
        """
        left = self.page - (self.at + shift) % self.page
        empty, used, unsure = [], 0.0, 0.0
        for part in order:
            height, divided = self.heights[part], part == len(self.heights) - 1
            if (min(height, self.least) if divided else height + unsure) > left:
                empty.append(left)
                used += left
                left, unsure = self.page, 0.0
            if divided and height > left:
                height += LOST * self.least * math.ceil((height - left) / self.page)
                unsure = UNSURE * self.least
            used += height
            left = (left - height) % self.page if divided else left - height
        return empty, used


@dataclass(frozen=True)
class Route:
    """Orders of the sections so far.

    Attributes:
        cost: squares of the holes, because one large hole is worse than several small ones.
        shift: points by which the next section moves.
    """

    cost: float = 0.0
    shift: float = 0.0
    orders: dict[str, list[int]] = field(default_factory=dict)

    def continued(
        self, section: Section, orders: Sequence[list[int]], now: list[int]
    ) -> list["Route"]:
        """One route for each order of the next section.

        Args:
            now: the order in which its parts were typeset.
        """
        routes, used_now = [], section.holes(now, 0.0)[1]
        for order in orders:
            empty, used = section.holes(order, self.shift)
            cost = self.cost + sum(hole**2 for hole in empty) + SWAP**2 * _moved(order)
            routes.append(
                Route(cost, self.shift + used - used_now, self.orders | {section.name: order})
            )
        return routes


def best_orders(
    sections: Sequence[Section], current: dict[str, list[int]], settled: int = 0
) -> dict[str, list[int]]:
    """The orders with the smallest holes over all sections; each moves the sections behind it.

    Args:
        sections: in the order of the report, as typeset with the current orders.
        settled: how many sections at the beginning keep their current order.
    """
    routes = [Route()]
    for place, section in enumerate(sections):
        now = current.get(section.name, section.given)
        orders = [now] if place < settled else section.orders()
        followed: dict[float, Route] = {}
        for route in sorted(
            (new for old in routes for new in old.continued(section, orders, now)),
            key=lambda route: route.cost,
        ):
            followed.setdefault(round(route.shift), route)
            if len(followed) == MOST_ROUTES:
                break
        routes = list(followed.values())
    return min(routes, key=lambda route: route.cost).orders


def _moved(order: Sequence[int]) -> int:
    """How many pairs are the other way round than given."""
    return sum(first > second for first, second in itertools.combinations(order, 2))
