"""What a finished run says of each image, as a small file beside its record.

Accuracies are means over images, and AP and AR are made of what was found in each of them; a
bootstrap over images and seeds together needs every image.
"""

import hashlib
import io
from pathlib import Path

import numpy as np

from polyrepro.errors import PolyreproError
from polyrepro.files import write_atomically


class PredictionsError(PolyreproError):
    """Predictions that are missing or not those of the record."""


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> str:
    """Write arrays by name; returns the file's sha256. Equal arrays give equal bytes.

    Raises:
        OSError: if the file cannot be written; an older one stays.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def read_arrays(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """The arrays by name.

    Args:
        sha256: what the run's record says of the file.

    Raises:
        PredictionsError: if the file is missing, or is not the one that the record speaks of.
    """
    mend = "`snakemake` or `polyrepro train` then trains the run again"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PredictionsError(
            f"cannot read the predictions {path}: {error.strerror}; restore the file, or leave it "
            f"missing: {mend}"
        ) from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise PredictionsError(
            f"the predictions {path} are not those of the run's record: sha256 is {found}, "
            f"expected {sha256}; remove the file: {mend}"
        )
    with np.load(io.BytesIO(data)) as arrays:
        return dict(arrays)
