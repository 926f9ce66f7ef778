"""Held-out images and the order of the others, class by class, as functions of names alone."""

import hashlib

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError


def ranks_in_class(
    dataset: str, classes: tuple[str, ...], labels: np.ndarray, names: list[str]
) -> np.ndarray:
    """The rank of every image within its class, by the SHA-256 of data set, class and name.

    Independent of folders and platform; adding an image moves no two others past each other.

    Args:
        labels, names: (images,), of each image.
    """
    texts = [f"{dataset}/{classes[c]}/{n}" for c, n in zip(labels, names, strict=True)]
    hashes = [hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in texts]
    order = sorted(range(len(texts)), key=hashes.__getitem__)
    seen = np.zeros(len(classes), np.int64)
    ranks = np.empty(len(texts), np.int64)
    for position in order:
        ranks[position] = seen[labels[position]]
        seen[labels[position]] += 1
    return ranks


def interleaved(labels: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Positions by rank and then by class: the first of all classes, the second, and so on.

    Every beginning of the order is as balanced as the classes allow.
    """
    return np.lexsort([labels, ranks])


def held_out(
    classes: tuple[str, ...], labels: np.ndarray, ranks: np.ndarray, part: int
) -> np.ndarray:
    """Which images are held out: of each class one of `part`, those of the lowest ranks.

    Returns:
        (images,), bool; of a class with fewer than `part` images one.

    Raises:
        DataError: if a class has only one image.
    """
    counts = np.bincount(labels, minlength=len(classes))
    if (counts < 2).any():
        raise DataError(
            f"the class {classes[counts.argmin()]} has one training image, so none can be held "
            "out for validation; add images to it, or a folder validation/ with images of every "
            "class"
        )
    return ranks < np.maximum(1, counts // part)[labels]
