"""A long-tailed training split, the small analogue of ImageNet-21K's imbalance."""

from dataclasses import replace

import numpy as np

from polyrepro.data.image_arrays import ImageArrays


def long_tailed_counts(largest: int, classes: int, ratio: float) -> list[int]:
    """Class sizes falling exponentially from `largest` to `largest / ratio` in label order.

    The usual construction (Cui et al., CVPR 2019, Section 5.1): n_c = n * ratio^(-c / (C - 1)).
    """
    return [round(largest * ratio ** (-c / (classes - 1))) for c in range(classes)]


def make_long_tailed(data: ImageArrays, ratio: float) -> ImageArrays:
    """Thin the training split of a balanced data set; validation and test stay balanced.

    Each class keeps its first images, so the split contains no random draw. The classes fall
    into three groups by rank: head (first 3 of 10), middle (4) and tail (3).

    Args:
        data: a data set whose training classes are equally large.
        ratio: size of the largest class over that of the smallest, above 1.
    """
    train = data.splits["train"]
    classes = len(data.classes)
    largest = int(np.bincount(train.labels).max())
    counts = long_tailed_counts(largest, classes, ratio)
    keep = np.concatenate(
        [np.flatnonzero(train.labels == c)[:count] for c, count in enumerate(counts)]
    )
    head, tail = round(0.3 * classes), round(0.7 * classes)
    return replace(
        data,
        name=f"{data.name}_long_tail",
        splits={**data.splits, "train": train.take(np.sort(keep))},
        class_groups={
            "head": tuple(range(head)),
            "middle": tuple(range(head, tail)),
            "tail": tuple(range(tail, classes)),
        },
    )
