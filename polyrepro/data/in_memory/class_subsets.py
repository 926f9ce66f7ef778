"""The images of one data set with fewer classes."""

from dataclasses import replace

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError, ImageArrays, Split


def fewer_classes(data: ImageArrays, count: int) -> ImageArrays:
    """Keep `count` classes, evenly spaced in their order, and number them anew.

    Images keep their order, so that the first n of a split stay balanced. Class groups are dropped.

    Raises:
        DataError: if there are not so many classes, or fewer than two are requested.
    """
    if not 2 <= count <= len(data.classes):
        raise DataError(
            f"{data.name} has {len(data.classes)} classes, so it cannot be reduced to {count}; "
            f"choose from 2 to {len(data.classes)}"
        )
    kept = np.arange(count) * len(data.classes) // count
    return replace(
        data,
        name=f"{data.name}_{count}",
        classes=tuple(data.classes[label] for label in kept),
        splits={name: _restrict(split, kept) for name, split in data.splits.items()},
        class_groups={},
    )


def _restrict(split: Split, kept: np.ndarray) -> Split:
    found = split.take(np.isin(split.labels, kept))
    return replace(found, labels=np.searchsorted(kept, found.labels))
