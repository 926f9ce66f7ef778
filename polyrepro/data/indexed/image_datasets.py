"""Large image data sets: which files belong to them, and how their splits are made."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from polyrepro.data.indexed.pareto_tail import ParetoTail, imagenet_lt_sizes


@dataclass(frozen=True)
class ImageDataset:
    """A data set of image files in one folder per class, or of tar files of such folders.

    Attributes:
        name: the name used in recipes, records and tables.
        classes: class names, which are folder names; the label is the position.
        class_counts: numbers of these classes that a complete copy may have; empty for any.
        parts: official split -> names below the root. The first is taken that is there as a
            folder, as `NAME.tar`, or as a folder inside a tar file of the root; "." is the root.
        held_out: splits drawn from the images of `train`, with their numbers of images.
        tail: how the training split is thinned once the others are held out; None keeps it whole.
        lend: a part that is missing gets the images of the other one; for samples only.
        mean, std: of red, green and blue scaled to 0..1, for normalisation.
    """

    name: str
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    parts: dict[str, tuple[str, ...]]
    held_out: dict[str, int] = field(default_factory=dict)
    tail: ParetoTail | None = None
    lend: bool = False
    # The means and deviations of ImageNet that torchvision made customary.
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


IMAGENET1K_PARTS = {
    "train": ("train", "ILSVRC2012_img_train"),
    "test": ("val", "ILSVRC2012_img_val"),
}


def imagenet1k() -> ImageDataset:
    """ImageNet-1K (ILSVRC 2012): 1,281,167 training images, 50,000 official validation images.

    The official validation images are `test`: they choose nothing. 10,000 training images are
    held out as `validation` and choose hyper-parameters.
    """
    return ImageDataset(
        name="imagenet1k",
        classes=_synsets("imagenet-1k"),
        class_counts=(1000,),
        parts=IMAGENET1K_PARTS,
        held_out={"validation": 10_000},
    )


def imagenet1k_long_tail() -> ImageDataset:
    """ImageNet-1K with 115,846 training images, 1,280 to 5 per class; see `pareto_tail`.

    Validation and test images are as many as those of ImageNet-1K, which is where it lies.
    """
    tail = ParetoTail(imagenet_lt_sizes())
    return replace(imagenet1k(), name="imagenet1k_long_tail", tail=tail)


def imagenet1k_sample() -> ImageDataset:
    """Photographs in the layout of ImageNet-1K, few or many, to try its recipes.

    Any of the 1000 classes may be absent; the model keeps its 1000 outputs. When there is no
    training part, the model is trained on the images it is tested on, so no number of such a run
    means anything.
    """
    return ImageDataset(
        name="imagenet1k_sample",
        classes=_synsets("imagenet-1k"),
        class_counts=(),
        parts={**IMAGENET1K_PARTS, "validation": ("val", "ILSVRC2012_img_val")},
        lend=True,
    )


def imagenet21k() -> ImageDataset:
    """ImageNet-21K with the 21,843 classes of EfficientNetV2's authors.

    There are no official splits. The authors evaluate on 100,357 random images and choose on
    25,089 others (google/automl, efficientnetv2/datasets.py); here it is 100,000 and 25,000.
    Two of their synsets have images in no release (google-research/big_transfer, issue 18), so
    that of fall 2011 has 21,841 folders; that of winter 2021, the one still distributed, has
    19,167 (Alibaba-MIIL/ImageNet21K, issue 16). The other labels stay what they are.
    """
    return ImageDataset(
        name="imagenet21k",
        classes=_synsets("imagenet-21k-goog"),
        class_counts=(21_843, 21_841, 19_167),
        parts={"train": (".",)},
        held_out={"test": 100_000, "validation": 25_000},
    )


IMAGE_DATASETS: dict[str, Callable[[], ImageDataset]] = {
    "imagenet1k": imagenet1k,
    "imagenet1k_long_tail": imagenet1k_long_tail,
    "imagenet1k_sample": imagenet1k_sample,
    "imagenet21k": imagenet21k,
}
"""Data sets too large to be part of the package, by name."""


def _synsets(subset: str) -> tuple[str, ...]:
    """WordNet identifiers in the order of the labels; timm keeps the lists."""
    from timm.data import ImageNetInfo

    return tuple(ImageNetInfo(subset).label_names())
