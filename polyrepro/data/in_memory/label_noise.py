"""Symmetric label noise: a control for losses that put less weight on images they find hard."""

from dataclasses import replace

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError, ImageArrays

SEED = 20220426


def noisy_labels(data: ImageArrays, share: float) -> ImageArrays:
    """Give a share of the training images the label of another class, each equally likely.

    What happens to an image depends on its index alone: it is the same for every run, and the
    images that are wrong at one share are also wrong, in the same way, at every higher one.
    Validation and test labels stay right.

    Args:
        share: expected part of the training images, in [0, 1).

    Raises:
        DataError: if the share is outside that range.
    """
    if not 0 <= share < 1:
        raise DataError(
            f"{data.name}: label noise of {share} is not possible; give the share of wrong labels "
            "as a number from 0 to below 1, such as 0.2"
        )
    train, classes = data.splits["train"], len(data.classes)
    # Row i of the draw is that of image i, however many images there are.
    draws = np.random.default_rng(SEED).random((len(train.labels), 2))
    others = (train.labels + 1 + (draws[:, 1] * (classes - 1)).astype(np.int64)) % classes
    labels = np.where(draws[:, 0] < share, others, train.labels)
    return replace(
        data,
        name=f"{data.name}_noise{100 * share:g}",
        splits={**data.splits, "train": replace(train, labels=labels)},
    )
