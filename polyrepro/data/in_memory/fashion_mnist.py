"""The embedded, class-balanced subset of Fashion-MNIST (Xiao et al., 2017; MIT licence).

12,000 training, 2,000 validation and all 10,000 test images of 28 x 28 grey pixels in ten classes;
made by `scripts/make_embedded_data.py`. Validation images come from the original training file:
they choose hyper-parameters, so that the test images choose nothing.
"""

from pathlib import Path

import numpy as np

from polyrepro.data.in_memory.embedded_file import EMBEDDED, read_embedded
from polyrepro.data.in_memory.image_arrays import ImageArrays, Split

EMBEDDED_FILE = EMBEDDED / "fashion_mnist.npz"
SHA256 = "1b8d877da5e48b29d678469a90c6784381843b5bf7e5ef3faf58bf2d387368b2"
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
    arrays = read_embedded(path, SHA256, "scripts/make_embedded_data.py")
    splits = {
        name: Split(arrays[f"{name}_images"], arrays[f"{name}_labels"].astype(np.int64))
        for name in ("train", "validation", "test")
    }
    return ImageArrays("fashion_mnist", CLASSES, splits, mean=0.286, std=0.353)
