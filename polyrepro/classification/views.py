"""What a network is shown of an image: a random crop in training, the centre in evaluation."""

import math
import random

import numpy as np
from PIL import Image

from polyrepro.classification.randomness import derive_seed
from polyrepro.data.decoding import decode_rgb, seen_size
from polyrepro.recipes import ClassificationRecipe

INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
ASPECT_RATIOS = (3 / 4, 4 / 3)
CROP_ATTEMPTS = 10

Box = tuple[float, float, float, float]


class Views:
    """Decoding, cropping and augmentation according to a recipe.

    What is drawn for an image is a function of (seed, epoch, image) alone.
    """

    def __init__(self, recipe: ClassificationRecipe, seed: int) -> None:
        self._recipe, self._seed = recipe, seed
        self._resample = INTERPOLATIONS[recipe.interpolation]

    def training(self, image: Image.Image, where: str, epoch: int, row: int) -> np.ndarray:
        """A random crop of an opened image, perhaps mirrored: uint8, (size, size, 3).

        The size is that of the epoch; which part of the image is shown does not depend on it.
        """
        recipe, size = self._recipe, self._recipe.image_size_at(epoch)
        draw = random.Random(derive_seed("augmentation", self._seed, epoch, row))
        box = random_crop(*seen_size(image), recipe.min_crop_area, draw)
        box = _decode_smaller(image, box, size)
        view = decode_rgb(image, where).resize((size, size), self._resample, box, reducing_gap=2.0)
        if recipe.horizontal_flip and draw.random() < 0.5:
            view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return np.asarray(view)

    def evaluation(self, image: Image.Image, where: str) -> np.ndarray:
        """The centre of an opened image: uint8, (size, size, 3).

        As if the shorter side were scaled to size / crop_fraction and the centre cut out.
        """
        size = self._recipe.evaluation_size
        box = central_crop(*seen_size(image), size, self._recipe.crop_fraction)
        return np.asarray(decode_rgb(image, where).resize((size, size), self._resample, box))


def random_crop(width: int, height: int, min_area: float, draw: random.Random) -> Box:
    """The crop of Inception (Szegedy et al., CVPR 2015, Section 6): left, upper, right, lower.

    Its area is uniform between `min_area` and 1 times the image's, the logarithm of its aspect
    ratio uniform between those of 3/4 and 4/3. If ten draws do not fit, the largest central crop
    whose aspect ratio is in that range.
    """
    low, high = ASPECT_RATIOS
    for _ in range(CROP_ATTEMPTS):
        area = width * height * draw.uniform(min_area, 1)
        ratio = math.exp(draw.uniform(math.log(low), math.log(high)))
        crop_width, crop_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            left = draw.randint(0, width - crop_width)
            upper = draw.randint(0, height - crop_height)
            return left, upper, left + crop_width, upper + crop_height
    crop_width = min(width, max(1, round(height * high)))
    crop_height = min(height, max(1, round(width / low)))
    left, upper = (width - crop_width) // 2, (height - crop_height) // 2
    return left, upper, left + crop_width, upper + crop_height


def central_crop(width: int, height: int, size: int, crop_fraction: float) -> Box:
    """The part of an image that is seen after scaling and cutting; rounded as torchvision does."""
    shorter = math.floor(size / crop_fraction)
    scaled_width = max(shorter, int(shorter * width / height))
    scaled_height = max(shorter, int(shorter * height / width))
    left, upper = round((scaled_width - size) / 2), round((scaled_height - size) / 2)
    x, y = width / scaled_width, height / scaled_height
    right, lower = min(width, (left + size) * x), min(height, (upper + size) * y)
    return left * x, upper * y, right, lower


def _decode_smaller(image: Image.Image, box: Box, size: int) -> Box:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8 of its size if the crop stays above `size`.

    Returns:
        The box in pixels of the image as it will be decoded.
    """
    width, height = image.size
    shrink = min(box[2] - box[0], box[3] - box[1]) // size
    if shrink < 2:
        return box
    scale = min(8, 1 << (int(shrink).bit_length() - 1))
    drafted = image.draft("RGB", (max(1, width // scale), max(1, height // scale)))
    if drafted is None:
        return box
    # The size is rounded up to whole pixels, the scale of what is in them is not.
    scale = width / drafted[1][2]
    left, upper, right, lower = (edge / scale for edge in box)
    width, height = seen_size(image)
    return left, upper, min(width, right), min(height, lower)
