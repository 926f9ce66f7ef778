"""What a trained classifier says of each image of a split."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from polyrepro.compact_predictions import read_arrays, write_arrays


class Predictions(NamedTuple):
    """Of the images of a split, in the order of the split.

    Attributes:
        classes: uint16, (images,), the predicted class.
        target_probability: float32, (images,), P_t; of an image with several labels, the
            mean over them.
    """

    classes: np.ndarray
    target_probability: np.ndarray


def write_predictions(path: Path, predictions: dict[str, Predictions]) -> str:
    """Write the predictions of some splits; returns the file's sha256.

    Raises:
        OSError: if the file cannot be written; an older one stays.
    """
    return write_arrays(
        path,
        {
            f"{split}_{name}": array
            for split, of_split in predictions.items()
            for name, array in of_split._asdict().items()
        },
    )


def read_predictions(path: Path, sha256: str) -> dict[str, Predictions]:
    """The predictions by split.

    Args:
        sha256: what the run's record says of the file.

    Raises:
        PredictionsError: if the file is missing, or is not the one that the record speaks of.
    """
    arrays = read_arrays(path, sha256)
    splits = [name.removesuffix("_classes") for name in arrays if name.endswith("_classes")]
    return {
        split: Predictions(*(arrays[f"{split}_{name}"] for name in Predictions._fields))
        for split in splits
    }
