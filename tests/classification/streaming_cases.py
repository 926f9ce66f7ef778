"""A recipe and a small verified data set for the streaming batches."""

from types import SimpleNamespace


def recipe(**changes):
    """The fields of a recipe that decide what a network is shown."""
    fields = {
        "name": "small",
        "batch_size": 8,
        "images_per_device": 2,
        "image_size": 24,
        "evaluation_size": 24,
        "crop_fraction": 0.875,
        "min_crop_area": 0.08,
        "horizontal_flip": True,
        "randaugment_magnitude": 0,
        "interpolation": "bilinear",
        "channels_last": False,
        "train_images": None,
    }
    return SimpleNamespace(**{**fields, **changes})
