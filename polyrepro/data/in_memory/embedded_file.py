"""Reading a data file that ships inside the package."""

import hashlib
import io
from pathlib import Path

import numpy as np

from polyrepro.data.in_memory.image_arrays import DataError

EMBEDDED = Path(__file__).parents[1] / "embedded"


def read_embedded(path: Path, sha256: str, script: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file whose checksum is known.

    Args:
        script: the one that made the file, for the message.

    Raises:
        DataError: if the file is missing or its checksum differs.
    """
    mend = f"restore it with `git checkout` or make it again with {script}"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the embedded data {path}: {error.strerror}; {mend}") from None
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        raise DataError(
            f"the embedded data {path} is damaged: sha256 is {found}, expected {sha256}; {mend}"
        )
    with np.load(io.BytesIO(raw)) as arrays:
        return dict(arrays)
