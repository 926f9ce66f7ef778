"""Which images are held out of training: a function of their names alone."""

import hashlib

import numpy as np

RULE = "the images with the smallest SHA-256 of data set, class and file name"


def held_out_positions(
    dataset: str, classes: list[str], names: list[str], counts: dict[str, int]
) -> dict[str, np.ndarray]:
    """Positions of the images of each held-out split, ascending.

    Independent of folders, tar files and order; when an image is added or removed, at most one
    other image changes its split per border.

    Args:
        counts: number of images per split; the first gets the smallest hashes.
    """
    hashes = np.empty(len(names), np.uint64)
    for position, (class_name, name) in enumerate(zip(classes, names, strict=True)):
        # Names that are no UTF-8 enter with the bytes that they have on the disk.
        text = f"{dataset}/{class_name}/{name}".encode("utf-8", "surrogateescape")
        digest = hashlib.sha256(text).digest()
        hashes[position] = int.from_bytes(digest[:8], "big")
    order = np.argsort(hashes, kind="stable")
    splits, start = {}, 0
    for split, count in counts.items():
        splits[split] = np.sort(order[start : start + count])
        start += count
    return splits
