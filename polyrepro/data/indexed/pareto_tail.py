"""A long tail of ImageNet-1K with the class sizes of ImageNet-LT, drawn from the listed images.

ImageNet-LT (Liu et al., CVPR 2019, Section 4.1) has 115,846 training images of 1,000 classes, 1,280
to 5 of each, by a Pareto distribution with power 6. Its authors publish lists of files; which class
is how large, and which images it keeps, is drawn here, by hashes of a seed and the names.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError

POWER = 6
LARGEST, SMALLEST = 1_280, 5
OFFSET = 0.20724
"""Of the ranks whose quantiles are the sizes: with it they sum to 115,846."""

MANY, FEW = 100, 20
"""Classes with more images than `MANY` are the head, with fewer than `FEW` the tail, as the authors
of ImageNet-LT report them."""


@dataclass(frozen=True)
class ParetoTail:
    """How large the classes of a training split become.

    Attributes:
        sizes: one per class, descending.
        seed: of the draw.
    """

    sizes: tuple[int, ...]
    seed: int = 0


def imagenet_lt_sizes(classes: int = 1000) -> tuple[int, ...]:
    """Class sizes from 1,280 down to 5: quantiles of a Pareto distribution, stretched to these."""
    quantiles = (np.arange(1, classes + 1) - OFFSET) ** (-1 / POWER)
    part = (quantiles - quantiles[-1]) / (quantiles[0] - quantiles[-1])
    sizes = np.rint(SMALLEST + (LARGEST - SMALLEST) * part)
    return tuple(int(size) for size in sizes)


def thinned(
    tail: ParetoTail, where: str, positions: Sequence[int], classes: list[str], names: list[str]
) -> list[int]:
    """The positions that stay, in their order.

    Independent of folders, tar files and order. The largest size goes to the first class, in the
    order of their hashes, that has so many images, and so on.

    Args:
        where: for messages.
        positions: of the training images.
        classes, names: of all images.

    Raises:
        DataError: if there are not enough classes with enough images.
    """
    available = Counter(classes[i] for i in positions)
    waiting = sorted(available, key=lambda name: _hash(tail.seed, name))
    allotted = {}
    for number, size in enumerate(tail.sizes):
        chosen = next((name for name in waiting if available[name] >= size), None)
        if chosen is None:
            raise DataError(
                f"{where}: the long tail needs {number + 1:,} classes with {size:,} images or "
                f"more, not counting those held out; there are {number:,}. Restore the data set"
            )
        waiting.remove(chosen)
        allotted[chosen] = size
    by_class: dict[str, list[int]] = {}
    for i in positions:
        by_class.setdefault(classes[i], []).append(i)
    kept = set()
    for name, size in allotted.items():
        hashes = {i: _hash(tail.seed, f"{name}/{names[i]}") for i in by_class[name]}
        kept.update(sorted(by_class[name], key=hashes.__getitem__)[:size])
    return [i for i in positions if i in kept]


def class_groups(per_class: Sequence[int]) -> dict[str, list[int]]:
    """Labels of the classes with many, some and few training images."""
    return {
        "head": [label for label, count in enumerate(per_class) if count > MANY],
        "middle": [label for label, count in enumerate(per_class) if FEW <= count <= MANY],
        "tail": [label for label, count in enumerate(per_class) if count < FEW],
    }


def _hash(seed: int, text: str) -> bytes:
    # Names that are no UTF-8 enter with the bytes that they have on the disk.
    return hashlib.sha256(f"{seed}/{text}".encode("utf-8", "surrogateescape")).digest()
