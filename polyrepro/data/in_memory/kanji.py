"""The embedded images of 1,000 characters in 28 typefaces, and data sets made from them.

Made by `scripts/make_kanji_data.py`; `embedded/kanji.md` says what they are and are not, and under
which licences the typefaces are. No typeface draws a character in two splits.
"""

from pathlib import Path

import numpy as np

from polyrepro.data.in_memory.class_subsets import fewer_classes
from polyrepro.data.in_memory.embedded_file import EMBEDDED, read_embedded
from polyrepro.data.in_memory.image_arrays import ImageArrays, Split
from polyrepro.data.in_memory.label_noise import noisy_labels
from polyrepro.data.in_memory.long_tail import hashed_order, make_long_tailed

EMBEDDED_FILE = EMBEDDED / "kanji.npz"
SHA256 = "2a2bb6eebb9525c1e039ad1ca68e7e174dd0bedb7edab42ec88cf57eeb7c4b03"
SIDE = 28


def load_kanji(path: Path = EMBEDDED_FILE) -> ImageArrays:
    """Read the embedded file and verify its checksum.

    18,000 training, 2,000 validation and 8,000 test images, all classes equally often.

    Raises:
        DataError: if the file is missing or its checksum differs.
    """
    arrays = read_embedded(path, SHA256, "scripts/make_kanji_data.py")
    characters = tuple(map(chr, arrays["characters"]))
    splits = {}
    for name in ("train", "validation", "test"):
        images = unpack(arrays[f"{name}_images"])
        splits[name] = Split(images, np.arange(len(images), dtype=np.int64) % len(characters))
    return ImageArrays("kanji", characters, splits, mean=0.200, std=0.337)


def unpack(packed: np.ndarray) -> np.ndarray:
    """Two pixels of 16 grey levels per byte to (images, 28, 28), uint8, 0..255."""
    levels = np.stack([packed >> 4, packed & 15], axis=-1)
    return (levels * 17).reshape(-1, SIDE, SIDE)


def _long_tail() -> ImageArrays:
    """From 18 images of a class to 1."""
    data = load_kanji()
    return make_long_tailed(data, ratio=18, order=hashed_order(data.classes))


KANJI_DATASETS = {
    "kanji": load_kanji,
    "kanji_long_tail": _long_tail,
    "kanji_10": lambda: fewer_classes(load_kanji(), 10),
    "kanji_100": lambda: fewer_classes(load_kanji(), 100),
    "kanji_noise20": lambda: noisy_labels(load_kanji(), 0.2),
    "kanji_noise40": lambda: noisy_labels(load_kanji(), 0.4),
}
"""Data sets by name; the key is the name of the `ImageArrays`, too."""
