"""Drawing one composite scene: real garments, cut out, pasted on a textured background.

Everything about scene number i of a split follows from the seed, the split and i alone.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from polyrepro.data.in_memory.image_arrays import Split

SIDE = 128
"""Height and width of a scene in pixels."""
OBJECTS = (3, 8)
"""Fewest and most garments that are placed in a scene."""
SIZES = (18, 64)
"""Smallest and largest side in pixels of a garment's frame (28 pixels in the source)."""
LEAST_VISIBLE = 0.5
"""Part of a garment that those pasted after it leave visible."""
ATTEMPTS = 20
INK = 8
"""Grey value above which a pixel of the source belongs to the garment; its background is 0."""


@dataclass(frozen=True)
class Scene:
    """A drawn scene.

    Attributes:
        pixels: uint8, (side, side, 3).
        masks: bool, (objects, side, side): the visible pixels of each garment; disjoint.
        labels: class index per object.
        garments: position of each garment in its split.
    """

    pixels: np.ndarray
    masks: np.ndarray
    labels: list[int]
    garments: list[int]


def draw_scene(split: Split, frequencies: np.ndarray, random: np.random.Generator) -> Scene:
    """Compose one scene from the garments of a split.

    Args:
        split: cut-outs are taken from here and from nowhere else.
        frequencies: probability of each class.
    """
    pixels = _background(random)
    owner = np.full((SIDE, SIDE), -1)
    sizes: list[int] = []  # visible pixels if nothing came later
    labels, garments = [], []
    for _ in range(random.integers(OBJECTS[0], OBJECTS[1] + 1)):
        label = int(random.choice(len(frequencies), p=frequencies))
        garment = int(random.choice(np.flatnonzero(split.labels == label)))
        grey, alpha = _cut_out(split.images[garment], random)
        place = _free_place(owner, sizes, alpha >= 0.5, random)
        if place is None:
            continue
        window = tuple(slice(p, p + s) for p, s in zip(place, alpha.shape, strict=True))
        colour = random.uniform(0.35, 1.0, 3)
        pasted = grey[..., None] * colour
        pixels[window] += alpha[..., None] * (pasted - pixels[window])
        owner[window][alpha >= 0.5] = len(labels)
        sizes.append(int((alpha >= 0.5).sum()))
        labels.append(label)
        garments.append(garment)
    masks = np.stack([owner == number for number in range(len(labels))])
    return Scene(pixels.round().astype(np.uint8), masks, labels, garments)


def _background(random: np.random.Generator) -> np.ndarray:
    """Smooth coloured noise of three grain sizes, (side, side, 3) float in 0..255."""
    texture = np.zeros((SIDE, SIDE, 3))
    for cells, weight in ((4, 0.5), (16, 0.3), (64, 0.2)):
        noise = random.uniform(0, 255, (cells, cells, 3))
        # Neighbouring grains differ in brightness more than in colour.
        noise = 0.7 * noise.mean(-1, keepdims=True) + 0.3 * noise
        grains = Image.fromarray(noise.round().astype(np.uint8))
        texture += weight * np.asarray(grains.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    darkest, contrast = random.uniform(0, 80), random.uniform(0.4, 0.7)
    return darkest + contrast * texture


def _cut_out(image: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A garment at a random size, mirrored at random: grey values 0..255 and coverage 0..1.

    Sizes are uniform in their logarithm, so that small ones are as frequent as in photographs.
    """
    # Dark seams inside a garment are part of it; closing keeps them, and the gaps of sandals.
    inside = ndimage.binary_closing(np.pad(image > INK, 1))[1:-1, 1:-1]
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    frame = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    image, inside = image[frame], inside[frame]
    factor = np.exp(random.uniform(*np.log(SIZES))) / 28
    height, width = (max(4, round(factor * side)) for side in image.shape)
    grey = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    alpha = Image.fromarray(255 * inside.astype(np.uint8)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    step = random.choice((-1, 1))
    return np.asarray(grey, float)[:, ::step], np.asarray(alpha)[:, ::step] / 255


def _free_place(
    owner: np.ndarray, sizes: list[int], mask: np.ndarray, random: np.random.Generator
) -> tuple[int, int] | None:
    """Row and column where the mask leaves enough of every garment visible; None if not found."""
    height, width = mask.shape
    for _ in range(ATTEMPTS):
        row, column = random.integers(0, SIDE - height + 1), random.integers(0, SIDE - width + 1)
        remaining = owner.copy()
        remaining[row : row + height, column : column + width][mask] = -1
        visible = np.bincount(remaining[remaining >= 0], minlength=len(sizes))
        if all(visible >= LEAST_VISIBLE * np.asarray(sizes)):
            return int(row), int(column)
    return None
