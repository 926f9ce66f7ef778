"""What a verification changed or left out: counted, with the first ten entries of each kind."""

import sys
from pathlib import Path

NAMED = 10
"""How many entries a message names."""


class Notes:
    """Counts by kind of change, for one annotation file.

    Attributes:
        path: the file that messages name.
        counts: entries by what was done to them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: dict[str, int] = {}
        self._first: dict[str, list[str]] = {}

    def add(self, what: str, entry: str) -> None:
        """Count an entry, such as `annotations[3]`, under what was done to it."""
        self.counts[what] = self.counts.get(what, 0) + 1
        if self.counts[what] <= NAMED:
            self._first.setdefault(what, []).append(entry)

    def lines(self) -> list[str]:
        """One line per kind of change."""
        return [
            f"{self.path}: {count} {what}: {named(self._first[what], count)}"
            for what, count in self.counts.items()
        ]

    def print(self) -> None:
        """The lines, to the standard error output."""
        for line in self.lines():
            print(line, file=sys.stderr)


def named(first: list[str], count: int) -> str:
    """The first of many, as messages list them."""
    return ", ".join(first[:NAMED]) + (", ..." if count > NAMED else "")
