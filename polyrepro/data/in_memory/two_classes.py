"""One class against all others: two imbalanced classes made from the images of many."""

from dataclasses import replace

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError, ImageArrays


def one_against_rest(data: ImageArrays, name: str) -> ImageArrays:
    """Label the images of one class 1 and all others 0; the images stay what they are.

    The accuracies of both are reported apart, as groups `common` and `rare`.

    Args:
        name: of a class of the data set.

    Raises:
        DataError: if there is no such class, or no other one.
    """
    if name not in data.classes or len(data.classes) < 2:
        raise DataError(
            f"{data.name} has no class {name!r} that could be set against others; it has "
            f"{', '.join(data.classes[:10])}{' ...' if len(data.classes) > 10 else ''}"
        )
    chosen = data.classes.index(name)
    return replace(
        data,
        name=f"{data.name}_{name}",
        classes=("other", name),
        splits={
            split: replace(part, labels=(part.labels == chosen).astype(np.int64))
            for split, part in data.splits.items()
        },
        class_groups={"common": (0,), "rare": (1,)},
    )
