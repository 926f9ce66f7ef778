"""The images that a detector is shown are those that the verification saw."""

import pytest

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

import mmcv.transforms
import numpy as np
from mmdet.registry import TRANSFORMS
from PIL import Image
from pipeline_runs import execution, opened, small_run

from polyrepro.data import DataError
from polyrepro.data.drawn.composites import prepare_composites
from polyrepro.detection.configuration import run_config
from polyrepro.detection.registry import with_one_reader

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def read(path, **stated):
    (step,) = with_one_reader([{"type": "LoadImageFromFile", "backend_args": None}])
    return TRANSFORMS.build(step)({"img_path": str(path), **stated})


def test_pictures_are_turned_and_blue_comes_first(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / "x.png", exif=exif)
    found = read(tmp_path / "x.png", width=6, height=8)
    assert found["img_shape"] == found["ori_shape"] == (8, 6)
    assert np.array_equal(found["img"][:, -1, ::-1], PIXELS[0])


@pytest.mark.parametrize("format", ["PCX", "TGA"])
def test_formats_that_opencv_cannot_read(tmp_path, format):
    Image.fromarray(PIXELS).save(tmp_path / "x.png", format)
    assert np.array_equal(read(tmp_path / "x.png")["img"], PIXELS[..., ::-1])


def test_a_picture_of_another_size_than_verified_stops_the_training(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "x.png")
    with pytest.raises(
        DataError, match=r"x\.png has 8 x 6 pixels instead of 9 x 6: it has changed"
    ):
        read(tmp_path / "x.png", width=9, height=6)


def test_mmdetection_s_own_reader_stays_what_it_is():
    own = TRANSFORMS.build({"type": "LoadImageFromFile"})
    assert type(own) is mmcv.transforms.LoadImageFromFile


def test_training_and_evaluation_read_with_it(tmp_path):
    data = opened(tmp_path, prepare_composites(tmp_path, {"train": 1, "validation": 1, "test": 1}))
    config = run_config(small_run(), data, tmp_path, execution(), None)
    for loader in (config.train_dataloader, config.test_dataloader):
        steps = {s["type"]: s.get("_scope_") for s in loader.dataset.pipeline}
        assert steps["LoadImageFromFile"] == "polyrepro.detection"
