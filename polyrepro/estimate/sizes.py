"""How many images the data sets have, and how many numbers the networks."""

import json
from pathlib import Path

from polyrepro.files import manifest_path
from polyrepro.recipes import AnyRecipe

IMAGES = {
    "fashion_mnist": {"train": 12_000, "validation": 2_000, "test": 10_000},
    "fashion_mnist_long_tail": {"train": 3_360, "validation": 2_000, "test": 10_000},
    "fashion_mnist_shirt": {"train": 12_000, "validation": 2_000, "test": 10_000},
    "kanji": {"train": 18_000, "validation": 2_000, "test": 8_000},
    "kanji_long_tail": {"train": 5_873, "validation": 2_000, "test": 8_000},
    "kanji_noise20": {"train": 18_000, "validation": 2_000, "test": 8_000},
    "kanji_noise40": {"train": 18_000, "validation": 2_000, "test": 8_000},
    "kanji_100": {"train": 1_800, "validation": 200, "test": 800},
    "kanji_10": {"train": 180, "validation": 20, "test": 80},
    # CIFAR-10 and CIFAR-100 have 50,000 and 10,000; of each class a tenth is held out.
    "images32": {"train": 45_000, "validation": 5_000, "test": 10_000},
    "images32_long_tail": {"train": 11_167, "validation": 5_000, "test": 10_000},
    # ILSVRC 2012: 1,281,167 and 50,000; 10,000 training images are held out.
    "imagenet1k": {"train": 1_271_167, "validation": 10_000, "test": 50_000},
    # The training images are those of ImageNet-LT.
    "imagenet1k_long_tail": {"train": 115_846, "validation": 10_000, "test": 50_000},
    # Winter 2021: 13,151,276 (data card of timm/imagenet-w21-wds, without some 2,000 that are less
    # than 32 pixels wide or high); 125,000 are held out.
    "imagenet21k": {"train": 13_026_276, "validation": 25_000, "test": 100_000},
    # 118,287 in train2017, 117,266 of them with objects; every 48th is held out. 5,000 in val2017.
    "coco": {"train": 114_823, "validation": 2_465, "test": 5_000},
    "composites": {"train": 250, "validation": 40, "test": 150},
    "lidar_scenes": {"train": 200, "validation": 40, "test": 100},
    # 158,081 frames of 798 segments, of which 79 are held out, so about; 39,987 to validate.
    "waymo": {"train": 142_431, "validation": 15_650, "test": 39_987},
    # The usual lists have 3,712 and 3,769 of the 7,481 frames with labels; every tenth is held out.
    "kitti": {"train": 3_341, "validation": 371, "test": 3_769},
}
"""Images per split of every data set, for the time before `polyrepro data verify` counts them."""

CLASSES = {
    "fashion_mnist": 10,
    "fashion_mnist_long_tail": 10,
    "fashion_mnist_shirt": 2,
    "kanji": 1_000,
    "kanji_long_tail": 1_000,
    "kanji_noise20": 1_000,
    "kanji_noise40": 1_000,
    "kanji_100": 100,
    "kanji_10": 10,
    # Of CIFAR-10; any number in a folder of one's own.
    "images32": 10,
    "images32_long_tail": 10,
    "imagenet1k": 1_000,
    "imagenet1k_long_tail": 1_000,
    "imagenet1k_sample": 1_000,
    "imagenet21k": 21_843,
}
"""Outputs of a classifier for a data set."""

WEIGHTS = {
    "polyrepro_convnet": (7_952, 768),
    "polyrepro_resnet9": (6_572_480, 512),
    "polyrepro_resnet9_quarter": (412_784, 128),
    "resnet50": (23_561_152, 2048),
    "tf_efficientnetv2_s": (20_331_360, 1280),
    "tf_efficientnetv2_m": (53_150_388, 1280),
    "tf_efficientnetv2_l": (117_746_848, 1280),
    "Mask R-CNN R50-FPN": (44_449_456, 0),
    "RetinaNet R50-FPN": (38_021_812, 0),
    "PointPillars SECFPN": (4_840_968, 0),
    "PointPillars SECFPN (KITTI)": (4_840_904, 0),
}
"""Model to floating-point numbers in its state without the classifier, and the classifier's inputs.

Of detectors everything counts to the first number, with COCO's 80 classes or three of sweeps.
"""

OPTIMISER_STATES = {"sgd": 1, "rmsproptf": 2}
"""Numbers that an optimiser keeps per weight; those of detectors keep at most two."""

BYTES = 4
"""Of a number: weights, their average and the optimiser's state are float32."""

CHECKPOINTS = 3
"""On disk at the same time while a run trains: two that are kept, and the one being written."""

CACHED_BYTES, CACHED_SIDE = 29_000, 256
"""Of an image in the cache, and its shorter side: the mean over a thousand photographs, one of each
class of ImageNet-1K (`benchmarks/cache.py`). A cache is measured on its own images before it is
written."""

RECORD_BYTES = 6_000
ROW_BYTES = 320
ROWS_PER_EPOCH = 7
"""Of a record: five rows of training, one of validation, one of test."""


def image_counts(dataset: str, results: Path) -> dict[str, int] | None:
    """Images per split: as the manifest counted them if there is one; None if nobody knows."""
    try:
        manifest = json.loads(manifest_path(results, dataset).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return IMAGES.get(dataset)
    return {name: split["images"] for name, split in manifest["splits"].items()}


def evaluated_images(recipe: AnyRecipe, counts: dict[str, int]) -> int:
    """Over a whole run: detectors are evaluated in the end, classifiers after each epoch, too.

    Test images are looked at in the end only.
    """
    validation, test = counts.get("validation", 0), counts.get("test", 0)
    return test + validation * (recipe.epochs if recipe.kind == "classification" else 1)


def mean_area(recipe: AnyRecipe) -> float:
    """Of a training image over all epochs, in images of the recipe's final size."""
    if recipe.kind != "classification":
        return 1.0
    sizes = [recipe.image_size_at(epoch) for epoch in range(recipe.epochs)]
    return sum(size**2 for size in sizes) / recipe.epochs / recipe.image_size**2


def evaluation_area(recipe: AnyRecipe) -> float:
    """Of an image in evaluation, in images of the recipe's final size in training."""
    if recipe.kind != "classification":
        return 1.0
    return (recipe.evaluation_size / recipe.image_size) ** 2


def cache_bytes(dataset: str, shorter_side: int, results: Path) -> int | None:
    """Of the cache of resized images of a data set, roughly; None if its size is unknown."""
    counts = image_counts(dataset, results)
    if counts is None:
        return None
    return round(sum(counts.values()) * CACHED_BYTES * (shorter_side / CACHED_SIDE) ** 2)


def weight_count(recipe: AnyRecipe) -> int | None:
    """Floating-point numbers in the state of the recipe's network; None if nobody knows."""
    if recipe.model not in WEIGHTS:
        return None
    body, inputs = WEIGHTS[recipe.model]
    if inputs == 0:
        return body
    return body + (inputs + 1) * CLASSES[recipe.dataset] if recipe.dataset in CLASSES else None


def state_count(recipe: AnyRecipe) -> int | None:
    """Floating-point numbers in a checkpoint: weights, their average, the optimiser's state."""
    weights = weight_count(recipe)
    if weights is None:
        return None
    average = getattr(recipe, "ema_decay", None) is not None
    states = OPTIMISER_STATES.get(getattr(recipe, "optimizer", ""), 2)
    return weights * (1 + average + states)


def record_bytes(recipe: AnyRecipe) -> int:
    """Of the record of one run, roughly."""
    return RECORD_BYTES + recipe.epochs * ROWS_PER_EPOCH * ROW_BYTES
