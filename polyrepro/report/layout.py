"""The order of figures and tables that leaves the smallest holes at the ends of pages.

A figure that does not fit the rest of a page leaves it empty. A table can be divided and fills it.
Of each section the typesetting reports where its text ends and the heights of what follows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

LOST, UNSURE = 0.5, 0.3
"""Of the points that the beginning of a table needs: what it loses where a page ends in it, because
a row does not fit and its head comes again, and by how much its end may lie lower than expected."""

MOVED, EARLY = 30.0, 80.0
"""Points of a hole that are as bad as two parts in another order than the report's, and as the
figure of another source before one of the report's own, to which its caption refers."""

MOST_BEGINNINGS, MOST_ROUTES = 100, 12
"""How many beginnings of a section's order are tried further, and how many of its orders are."""


@dataclass(frozen=True)
class Filling:
    """Parts of a section that have been placed.

    Attributes:
        left: points left on the page.
        used: points from the first part to here.
        empty: points left empty at the end of each page so far.
        unsure: points by which less may be left, because a table was divided on this page.
        order: numbers of the parts.
        disorder: the cost of their being in another order than given.
    """

    left: float
    used: float = 0.0
    empty: tuple[float, ...] = ()
    unsure: float = 0.0
    order: tuple[int, ...] = ()
    disorder: float = 0.0

    @property
    def cost(self) -> float:
        """Squares of the holes, because a large one is worse than several small ones."""
        return sum(hole**2 for hole in self.empty) + self.disorder


@dataclass(frozen=True)
class Section:
    """What follows the text of a section.

    Attributes:
        at: points from the beginning of the first page to the end of the text, as if pages followed
            each other without margins.
        page: points of a whole page.
        heights: of the figures, and of what can be divided, which is the last.
        in_order: whether the first figure stays the first of them.
        own: how many of the figures are the report's own; None for all of them.
        least: points that the beginning of what can be divided needs: of a table its caption, its
            head and the first rows.
    """

    name: str
    at: float
    page: float
    heights: Sequence[float]
    in_order: bool
    own: int | None = None
    least: float = 110.0

    @property
    def given(self) -> list[int]:
        """The order of the report: figures, then what can be divided."""
        return list(range(len(self.heights)))

    def beginning(self, shift: float) -> Filling:
        """Nothing placed yet.

        Args:
            shift: points by which the end of the text moves.
        """
        return Filling(self.page - (self.at + shift) % self.page)

    def placed(self, filling: Filling, part: int) -> Filling:
        """One part more."""
        height, divided = self.heights[part], part == len(self.heights) - 1
        left, used, empty, unsure = filling.left, filling.used, filling.empty, filling.unsure
        if (min(height, self.least) if divided else height + unsure) > left:
            empty, used = (*empty, left), used + left
            left, unsure = self.page, 0.0
        if divided and height > left:
            height += LOST * self.least * math.ceil((height - left) / self.page)
            unsure = UNSURE * self.least
        later = [other for other in self.given if other < part and other not in filling.order]
        return Filling(
            left=(left - height) % self.page if divided else left - height,
            used=used + height,
            empty=empty,
            unsure=unsure,
            order=(*filling.order, part),
            disorder=filling.disorder + sum(self._before(part, other) for other in later),
        )

    def filled(self, order: Sequence[int], shift: float) -> Filling:
        """All parts in an order."""
        filling = self.beginning(shift)
        for part in order:
            filling = self.placed(filling, part)
        return filling

    def best(self, shift: float) -> list[Filling]:
        """The orders with the smallest holes, at most `MOST_ROUTES`, the best one first."""
        found = [self.beginning(shift)]
        for _ in self.heights:
            longer = [
                self.placed(filling, part)
                for filling in found
                for part in self.given
                if part not in filling.order and self._may_follow(filling.order, part)
            ]
            found = sorted(longer, key=lambda filling: filling.cost)[:MOST_BEGINNINGS]
        return found[:MOST_ROUTES]

    def _may_follow(self, order: Sequence[int], part: int) -> bool:
        table = len(self.heights) - 1
        return not self.in_order or part in (0, table) or 0 in order

    def _before(self, part: int, other: int) -> float:
        """The cost of a part before another one that it should follow."""
        own = len(self.heights) if self.own is None else self.own
        early = own <= part < len(self.heights) - 1 and other < own
        return EARLY**2 if early else MOVED**2


@dataclass(frozen=True)
class Route:
    """Orders of the sections so far, their cost, and by how many points the next one moves."""

    cost: float = 0.0
    shift: float = 0.0
    orders: dict[str, list[int]] = field(default_factory=dict)


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
        used_now = section.filled(now, 0.0).used
        continued = []
        for route in routes:
            kept = [section.filled(now, route.shift)] if place < settled else None
            for filling in kept or section.best(route.shift):
                cost, shift = route.cost + filling.cost, route.shift + filling.used - used_now
                orders = route.orders | {section.name: list(filling.order)}
                continued.append(Route(cost, shift, orders))
        routes = _different(continued)
    return routes[0].orders


def _different(routes: list[Route]) -> list[Route]:
    """The best routes, of those that move the next section equally far the best one alone."""
    followed: dict[float, Route] = {}
    for route in sorted(routes, key=lambda route: route.cost):
        followed.setdefault(round(route.shift), route)
    return list(followed.values())[:MOST_ROUTES]
