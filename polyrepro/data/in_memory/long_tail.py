"""A long-tailed training split, the small analogue of ImageNet-21K's imbalance."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from polyrepro.data.in_memory.image_arrays import ImageArrays


def long_tailed_counts(largest: int, classes: int, ratio: float) -> list[int]:
    """Class sizes falling exponentially from `largest` to `largest / ratio`.

    The usual construction (Cui et al., CVPR 2019, Section 5.1): n_c = n * ratio^(-c / (C - 1)).
    """
    return [round(largest * ratio ** (-c / (classes - 1))) for c in range(classes)]


def hashed_order(classes: Sequence[str]) -> list[int]:
    """The labels in an order that depends on the classes' names and on nothing else about them."""
    digests = [hashlib.sha256(name.encode()).digest() for name in classes]
    return sorted(range(len(classes)), key=digests.__getitem__)


def make_long_tailed(
    data: ImageArrays, ratio: float, order: Sequence[int] | None = None
) -> ImageArrays:
    """Thin the training split of a balanced data set; validation and test stay balanced.

    Each class keeps its first images, so the split contains no random draw. The classes fall
    into three groups by size: head (the largest 30 %), middle (40 %) and tail.

    Args:
        data: a data set whose training classes are equally large.
        ratio: size of the largest class over that of the smallest, above 1.
        order: all labels, from the largest class to the smallest; None for the labels' own order.
    """
    train, classes = data.splits["train"], len(data.classes)
    labels = tuple(range(classes)) if order is None else tuple(order)
    largest = int(np.bincount(train.labels).max())
    counts = long_tailed_counts(largest, classes, ratio)
    keep = np.concatenate(
        [
            np.flatnonzero(train.labels == label)[:count]
            for label, count in zip(labels, counts, strict=True)
        ]
    )
    head, tail = round(0.3 * classes), round(0.7 * classes)
    return replace(
        data,
        name=f"{data.name}_long_tail",
        splits={**data.splits, "train": train.take(np.sort(keep))},
        class_groups={
            "head": labels[:head],
            "middle": labels[head:tail],
            "tail": labels[tail:],
        },
    )
