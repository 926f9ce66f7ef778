import io
import random

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps
from streaming_cases import recipe
from timm.data import create_transform

from polyrepro.classification.views import Views, central_crop, random_crop


def photograph(width, height, format="JPEG"):
    """Smooth colours, as photographs have: an encoded image and its decoded pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(2)).save(buffer, format, quality=95)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (64, 64), (1000, 60), (3, 700)])
def test_random_crops_are_inside_and_have_area_and_shape_in_range(size):
    width, height = size
    draw, areas = random.Random(0), []
    for _ in range(300):
        left, upper, right, lower = random_crop(width, height, 0.08, draw)
        assert 0 <= left < right <= width and 0 <= upper < lower <= height
        areas.append((right - left) * (lower - upper) / (width * height))
        if min(size) >= 60:
            assert 0.7 < (right - left) / (lower - upper) < 1.4
    if max(size) <= 500 and min(size) >= 60:
        assert min(areas) < 0.15 and max(areas) > 0.9
        assert np.mean(areas) == pytest.approx(0.5, abs=0.1)


def test_without_a_smallest_area_the_whole_of_a_square_image_is_within_reach():
    crops = {random_crop(64, 64, 1.0, random.Random(seed)) for seed in range(50)}
    assert crops == {(0, 0, 64, 64)}


@pytest.mark.parametrize("size", [(500, 375), (375, 501), (224, 224), (300, 1200), (100, 80)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_evaluation_sees_what_timm_shows(size, interpolation):
    views = Views(recipe(evaluation_size=96, interpolation=interpolation), seed=0)
    transform = create_transform(
        96, interpolation=interpolation, crop_pct=0.875, normalize=False, use_prefetcher=True
    )
    raw = photograph(*size)
    theirs = transform(Image.open(raw).convert("RGB")).permute(1, 2, 0).numpy()
    ours = views.evaluation(Image.open(raw), "")
    difference = np.abs(ours.astype(int) - theirs)
    assert difference.max() <= 2 and difference.mean() < 0.1


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_a_turned_photograph_is_seen_like_the_upright_one(orientation):
    """Also where JPEG is decoded at a part of its size, and the crop is drawn before."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.open(photograph(700, 420))
    upright, turned = io.BytesIO(), io.BytesIO()
    stored.save(turned, "JPEG", quality=95, exif=exif)
    ImageOps.exif_transpose(Image.open(turned)).save(upright, "JPEG", quality=95)
    views = Views(recipe(evaluation_size=96, image_size=64), seed=0)
    for view in (views.evaluation, lambda image, where: views.training(image, where, 1, 2)):
        difference = view(Image.open(turned), "").astype(int) - view(Image.open(upright), "")
        assert np.abs(difference).mean() < 3


def test_central_crop_of_everything():
    assert central_crop(640, 640, 64, 1.0) == (0, 0, 640, 640)


@pytest.mark.parametrize("size", [(1600, 1200), (901, 777)])
def test_decoding_at_a_fraction_shows_the_same_crop(size):
    """A PNG cannot be decoded smaller, so it shows what would have been seen."""
    views = Views(recipe(image_size=64, min_crop_area=0.6, horizontal_flip=False), seed=0)
    jpeg = photograph(*size)
    png = io.BytesIO()
    Image.open(jpeg).save(png, "PNG")
    for row in range(4):
        image = Image.open(jpeg)
        smaller = views.training(image, "", 0, row)
        assert image.size[0] < size[0] / 3
        exact = views.training(Image.open(png), "", 0, row)
        assert np.abs(smaller.astype(int) - exact).mean() < 2


def test_small_crops_are_decoded_in_full():
    views = Views(recipe(image_size=224, min_crop_area=0.08), seed=0)
    image = Image.open(photograph(400, 320))
    views.training(image, "", 0, 0)
    assert image.size == (400, 320)


def test_a_view_is_a_function_of_seed_epoch_and_image():
    raw = photograph(120, 90)

    def view(*key):
        views = Views(recipe(image_size=32), seed=key[0])
        return views.training(Image.open(raw), "", *key[1:]).tobytes()

    first = view(0, 0, 0)
    random.seed(5)
    np.random.seed(5)
    assert view(0, 0, 0) == first
    assert len({first, view(1, 0, 0), view(0, 1, 0), view(0, 0, 1)}) == 4


def test_every_second_image_is_mirrored():
    raw = photograph(64, 64)
    mirrored = Views(recipe(image_size=32, min_crop_area=1.0), 0)
    upright = Views(recipe(image_size=32, min_crop_area=1.0, horizontal_flip=False), 0)
    flips = 0
    for row in range(40):
        one = mirrored.training(Image.open(raw), "", 0, row)
        other = upright.training(Image.open(raw), "", 0, row)
        flipped = np.array_equal(one[:, ::-1], other)
        assert flipped or np.array_equal(one, other)
        flips += flipped
    assert 10 <= flips <= 30
