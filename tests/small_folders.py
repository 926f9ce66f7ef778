"""Embedded images written as class folders, and as the files of CIFAR-10."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from image_trees import encoded, picture

from polyrepro.data import load

GARMENTS = {"bag": 8, "sneaker": 7, "trouser": 1}
"""Class folder and label in the embedded data."""

CLASSES = tuple(GARMENTS)


def write_images(folder: Path, per_class: int, size=(32, 32), first: int = 0) -> None:
    """PNG files of embedded garments, coloured, in a folder per class."""
    labels = load("fashion_mnist").splits["train"].labels
    for name, label in GARMENTS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        chosen = np.flatnonzero(labels == label)[first : first + per_class].tolist()
        for number, position in enumerate(chosen, start=first):
            image = picture(position, size)
            (folder / name / f"{number:03d}.png").write_bytes(encoded(image, "PNG"))


def write_folders(root: Path, per_class: int = 20) -> Path:
    """Training and test images, of 32 x 32 pixels."""
    write_images(root / "train", per_class)
    write_images(root / "test", per_class=4, first=500)
    return root


def write_cifar10(root: Path, patch: pytest.MonkeyPatch) -> Path:
    """A few made-up images in the format of CIFAR-10, with checksums that torchvision accepts."""
    from torchvision.datasets import CIFAR10

    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)

    def write(name: str, content: dict) -> str:
        raw = pickle.dumps(content)
        (folder / name).write_bytes(raw)
        return hashlib.md5(raw).hexdigest()

    batches = {}
    for name, count in (("data_batch_1", 40), ("test_batch", 10)):
        pixels = random.integers(0, 256, (count, 3072), np.uint8)
        batches[name] = write(name, {"data": pixels, "labels": [i % 10 for i in range(count)]})
    names = [f"class{number}" for number in range(10)]
    meta = write("batches.meta", {"label_names": names})
    patch.setattr(CIFAR10, "train_list", [["data_batch_1", batches["data_batch_1"]]])
    patch.setattr(CIFAR10, "test_list", [["test_batch", batches["test_batch"]]])
    patch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": meta})
    return root
