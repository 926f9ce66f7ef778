"""Make the embedded subset of Fashion-MNIST that ships inside the package.

The four original files are needed once (Zalando's distribution, or the Debian package
`dataset-fashion-mnist`, which puts them under /usr/share/datasets/fashion-mnist):

    python scripts/make_embedded_data.py /usr/share/datasets/fashion-mnist

The split is class-balanced and contains no random draw: per class, the first 1,200 images of the
original training file become `train`, the next 200 `validation`; the 1,000 of the original test
file become `test`. Images are stored class by class in turn (0, 1, ..., 9, 0, 1, ...), so
that the first n images of a split are balanced too. With the same zlib, the same
input gives the same bytes; `polyrepro/data/in_memory/fashion_mnist.py` holds their checksum.
"""

import argparse
import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

CLASSES = 10
TRAIN_PER_CLASS, VALIDATION_PER_CLASS, TEST_PER_CLASS = 1200, 200, 1000
OUTPUT = Path(__file__).parents[1] / "polyrepro/data/embedded/fashion_mnist.npz"


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file (big-endian header, then unsigned bytes) as an array."""
    raw = gzip.decompress(path.read_bytes())
    dimensions = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def balanced_positions(labels: np.ndarray, first: int, count: int) -> np.ndarray:
    """Positions of images first .. first+count-1 of every class, classes taken in turn."""
    per_class = [np.flatnonzero(labels == c)[first : first + count] for c in range(CLASSES)]
    return np.stack(per_class, axis=1).reshape(-1)


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a compressed .npz whose bytes depend on the arrays alone (numpy stamps the time)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder with the four original .gz files")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()

    arrays = {}
    train_labels = read_idx(options.source / "train-labels-idx1-ubyte.gz")
    train_images = read_idx(options.source / "train-images-idx3-ubyte.gz")
    test_labels = read_idx(options.source / "t10k-labels-idx1-ubyte.gz")
    test_images = read_idx(options.source / "t10k-images-idx3-ubyte.gz")
    for split, images, labels, first, count in (
        ("train", train_images, train_labels, 0, TRAIN_PER_CLASS),
        ("validation", train_images, train_labels, TRAIN_PER_CLASS, VALIDATION_PER_CLASS),
        ("test", test_images, test_labels, 0, TEST_PER_CLASS),
    ):
        positions = balanced_positions(labels, first, count)
        arrays[f"{split}_images"] = images[positions]
        arrays[f"{split}_labels"] = labels[positions]
    write_npz(options.output, arrays)
    digest = hashlib.sha256(options.output.read_bytes()).hexdigest()
    print(f"{options.output}: {options.output.stat().st_size:,} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
