"""What a trained classifier says of each image, as a small file beside the run's record.

Accuracies are means over images; a bootstrap over images and seeds together needs every one.
"""

import hashlib
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from polyrepro.errors import PolyreproError
from polyrepro.files import write_atomically


class PredictionsError(PolyreproError):
    """Predictions that are missing or not those of the record."""


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

    Equal predictions give equal bytes.

    Raises:
        OSError: if the file cannot be written; an older one stays.
    """
    arrays = {
        f"{split}_{name}": array
        for split, of_split in predictions.items()
        for name, array in of_split._asdict().items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def read_predictions(path: Path, sha256: str) -> dict[str, Predictions]:
    """The predictions by split.

    Args:
        sha256: what the run's record says of the file.

    Raises:
        PredictionsError: if the file is missing, or is not the one that the record speaks of.
    """
    mend = "remove the run's folder and train it again"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PredictionsError(
            f"cannot read the predictions {path}: {error.strerror}; {mend}"
        ) from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise PredictionsError(
            f"the predictions {path} are not those of the run's record: sha256 is {found}, "
            f"expected {sha256}; {mend}"
        )
    with np.load(io.BytesIO(data)) as arrays:
        splits = [name.removesuffix("_classes") for name in arrays if name.endswith("_classes")]
        return {
            split: Predictions(*(arrays[f"{split}_{name}"] for name in Predictions._fields))
            for split in splits
        }
