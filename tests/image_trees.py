"""Small data sets of real images in the layouts of ImageNet, made anew for every test."""

import functools
import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from polyrepro.data import load
from polyrepro.data.indexed.image_datasets import IMAGENET1K_PARTS, ImageDataset

CLASSES = ("n01440764", "n01443537", "n01484850", "n01491361")

SMALL = ImageDataset(
    name="small",
    classes=CLASSES,
    class_counts=(4,),
    parts=IMAGENET1K_PARTS,
    held_out={"validation": 5},
)
"""ImageNet-1K's layout with four classes."""

SMALL_UNSPLIT = ImageDataset(
    name="small_unsplit",
    classes=(*CLASSES, "n09859684"),
    class_counts=(4, 5),
    parts={"train": (".",)},
    held_out={"test": 6, "validation": 3},
)
"""ImageNet-21K's layout; the fifth class has images in no release."""


@functools.cache
def garments() -> np.ndarray:
    return load("fashion_mnist").splits["train"].images


def picture(number: int, size: tuple[int, int] = (60, 48)) -> Image.Image:
    """A garment of the embedded data, enlarged and coloured by its number."""
    grey = garments()[number]
    shades = np.array([number * 37 % 256, number * 91 % 256, 128], np.uint8)
    coloured = np.maximum(np.asarray(grey)[:, :, None], shades)
    return Image.fromarray(coloured).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def write_classes(folder: Path, per_class: int, first: int = 0) -> None:
    """`per_class` JPEG files in a folder of each class."""
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            number = first + label * per_class + i
            path = folder / name / f"{name}_{number}.JPEG"
            path.write_bytes(encoded(picture(number, (60 + number, 48))))


def write_tree(root: Path) -> Path:
    """24 training and 8 validation images in folders."""
    write_classes(root / "train", per_class=6)
    write_classes(root / "val", per_class=2, first=100)
    return root


def pack_tar(folder: Path, tar: Path, prefix: str = "") -> None:
    """All of a folder, in an order that is not sorted."""
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(tar, "w") as archive:
        for path in sorted(folder.rglob("*"), reverse=True):
            archive.add(path, prefix + str(path.relative_to(folder)), recursive=False)


def pack_official(folder: Path, tar: Path) -> None:
    """A tar of one tar per class, as ILSVRC2012_img_train.tar is one."""
    inner = tar.parent / "inner"
    for path in folder.iterdir():
        pack_tar(path, inner / f"{path.name}.tar")
    pack_tar(inner, tar)
    for path in inner.iterdir():
        path.unlink()
    inner.rmdir()
