"""The composites: what they promise, and that a half-written folder is never used."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from polyrepro.data import load
from polyrepro.data.drawn import composites
from polyrepro.data.drawn.composite_drawing import LEAST_VISIBLE, OBJECTS, SIDE, draw_scene
from polyrepro.data.drawn.composites import prepare_composites

FEW = {"train": 12, "validation": 2, "test": 4}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("composites")
    return folder, prepare_composites(folder, FEW)


def annotations(folder, split):
    return json.loads((folder / f"coco/annotations/{split}.json").read_text())


def test_they_are_ordinary_coco_files_with_exact_masks(made):
    folder, manifest = made
    for split, images in FEW.items():
        content = annotations(folder, split)
        assert manifest["splits"][split]["images"] == len(content["images"]) == images
        by_image = {entry["id"]: np.zeros((SIDE, SIDE), int) for entry in content["images"]}
        for entry in content["annotations"]:
            mask = coco_mask.decode(entry["segmentation"]).astype(bool)
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert entry["bbox"] == box and entry["area"] == mask.sum() > 0
            by_image[entry["image_id"]] += mask
        assert all(owners.max() == 1 for owners in by_image.values()), "visible masks are disjoint"
        with Image.open(folder / "coco" / split / content["images"][0]["file_name"]) as image:
            assert image.size == (SIDE, SIDE) and image.mode == "RGB"
    assert manifest["masks"] and len(manifest["classes"]) == 10


def test_objects_vary_in_size_and_number_and_cover_each_other():
    split = load("fashion_mnist").splits["train"]
    scenes = [
        draw_scene(split, np.full(10, 0.1), np.random.default_rng(number)) for number in range(40)
    ]
    counts = {len(scene.labels) for scene in scenes}
    assert min(counts) >= 1 and max(counts) <= OBJECTS[1] and len(counts) >= 4
    areas = np.concatenate([scene.masks.sum((1, 2)) for scene in scenes])
    assert areas.min() < 150 and areas.max() > 1500
    assert all(areas > 0)
    assert 0 < LEAST_VISIBLE < 1
    for scene in scenes:
        for garment, label in zip(scene.garments, scene.labels, strict=True):
            assert split.labels[garment] == label


def test_classes_have_a_tail(made):
    _, manifest = made
    whole = prepare_frequencies()
    assert whole[0] / whole[-1] == pytest.approx(composites.CLASS_RATIO, rel=0.01)
    per_class = manifest["splits"]["train"]["per_class"]
    assert sum(per_class[:3]) > 2 * sum(per_class[-3:])


def prepare_frequencies():
    return composites.long_tailed_counts(1000, 10, composites.CLASS_RATIO)


def test_each_split_is_drawn_from_its_own_garments(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        composites,
        "draw_scene",
        lambda split, *more: asked.append(split.sha256()) or draw_scene(split, *more),
    )
    prepare_composites(tmp_path, {"train": 1, "validation": 1, "test": 1})
    splits = load("fashion_mnist").splits
    assert asked == [splits[name].sha256() for name in ("train", "validation", "test")]


def test_equal_calls_give_equal_files_and_more_scenes_keep_the_first(made, tmp_path):
    folder, manifest = made
    assert prepare_composites(tmp_path, FEW) == manifest
    prepare_composites(tmp_path / "more", {**FEW, "test": 5})
    name = "coco/test/00003.png"
    assert (tmp_path / "more" / name).read_bytes() == (folder / name).read_bytes()


def test_a_kill_while_they_are_drawn_leaves_nothing_to_be_used(monkeypatch, tmp_path):
    class Killed(BaseException):
        pass

    def killed_at_the_last(split, frequencies, random, calls=[]):  # noqa: B006
        calls.append(split)
        if len(calls) == 6:
            raise Killed
        return draw_scene(split, frequencies, random)

    monkeypatch.setattr(composites, "draw_scene", killed_at_the_last)
    with pytest.raises(Killed):
        prepare_composites(tmp_path, FEW)
    assert not (tmp_path / "coco").exists() and not (tmp_path / "index.json").exists()


def test_changed_scenes_are_replaced(made, tmp_path):
    _, manifest = made
    prepare_composites(tmp_path, FEW)
    (tmp_path / "coco/test/00000.png").write_bytes(b"")
    assert prepare_composites(tmp_path, FEW) == manifest
