"""The embedded, class-balanced subset of Fashion-MNIST (Xiao et al., 2017; MIT licence).

12,000 training, 2,000 validation and 2,000 test images of 28 x 28 grey pixels in ten classes;
made by `scripts/make_embedded_data.py`. Validation images come from the original training file:
they choose hyper-parameters, so that the test images choose nothing.
"""

import hashlib
import io
from pathlib import Path

import numpy as np

from polyrepro.data.image_arrays import DataError, ImageArrays, Split

EMBEDDED_FILE = Path(__file__).parent / "embedded" / "fashion_mnist.npz"
SHA256 = "0fec011523675b6865a2183eff8ab9c6cd42a26997a561f1001c8cd4d965d080"
CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def load_fashion_mnist(path: Path = EMBEDDED_FILE) -> ImageArrays:
    """Read the embedded file and verify its checksum.

    Raises:
        DataError: if the file is missing or its checksum differs.
    """
    mend = "restore it with `git checkout` or make it again with scripts/make_embedded_data.py"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the embedded data {path}: {error.strerror}; {mend}") from None
    found = hashlib.sha256(raw).hexdigest()
    if found != SHA256:
        raise DataError(
            f"the embedded data {path} is damaged: sha256 is {found}, expected {SHA256}; {mend}"
        )
    with np.load(io.BytesIO(raw)) as arrays:
        splits = {
            name: Split(arrays[f"{name}_images"], arrays[f"{name}_labels"].astype(np.int64))
            for name in ("train", "validation", "test")
        }
    return ImageArrays("fashion_mnist", CLASSES, splits, mean=0.286, std=0.353)
