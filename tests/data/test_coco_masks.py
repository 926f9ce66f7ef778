"""Masks of annotation files: used, mended, or left out with a message; never a crash."""

import json

import numpy as np
import pytest
from coco_files import SIDE, content, write_split
from pycocotools import mask as coco_mask

from polyrepro.data.coco.coco_evaluation import evaluate_coco
from polyrepro.data.coco.coco_format import verify_coco
from polyrepro.data.coco.masks import covers_pixels, usable_mask

SQUARE = [2, 4, 8, 4, 8, 12, 2, 12]
NAN = float("nan")


def run_lengths(mask):
    """COCO's run lengths of a mask, down the columns, background first."""
    flat = np.asarray(mask, np.uint8).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *edges, len(flat)]).tolist()
    return [0, *lengths] if flat[0] else lengths


def random_masks():
    random = np.random.default_rng(0)
    for _ in range(30):
        height, width = random.integers(1, 60, 2).tolist()
        yield (random.random((height, width)) < random.random()).astype(np.uint8)


def test_run_length_codes_stay_and_lists_are_compressed():
    for mask in random_masks():
        height, width = mask.shape
        counts = coco_mask.encode(np.asfortranarray(mask))["counts"].decode()
        size = [height, width]
        for given in (counts, run_lengths(mask)):
            found = usable_mask({"size": size, "counts": given}, width, height)
            assert found == {"size": size, "counts": counts}
            assert covers_pixels(found, width, height) == mask.any()


@pytest.mark.parametrize(
    "segmentation",
    [
        [[]],
        [[5, 5]],
        [[5, 5, 9, 9]],
        [5, 5, 9, 9],
        [[1, NAN, 10, 2, 10, 10]],
        [[1, float("inf"), 10, 2, 10, 10]],
        [[1, 2, 10, 2, 10, 1e9]],
        [[1, 2, 10, 2, 10]],
        [["1", "2", "10", "2", "10", "10"]],
        [[[1, 2], [10, 2], [10, 10]]],
        "polygon",
        {"size": [SIDE, SIDE]},
        {"size": [SIDE, SIDE + 1], "counts": [SIDE * (SIDE + 1)]},
        {"size": [SIDE, SIDE], "counts": [1, 2, 3]},
        {"size": [SIDE, SIDE], "counts": [-1, SIDE * SIDE + 1]},
        {"size": [SIDE, SIDE], "counts": "abc"},
        {"size": [SIDE, SIDE], "counts": "é"},
        {"size": [SIDE, SIDE], "counts": 7},
    ],
)
def test_a_mask_that_cannot_be_used_switches_masks_off_and_is_told(tmp_path, capsys, segmentation):
    assert usable_mask(segmentation, SIDE, SIDE) is None
    manifest = verify(tmp_path, segmentation)
    assert manifest["masks"] is False
    error = capsys.readouterr().err
    assert "1 of 18 objects have no mask that can be used, so no masks are trained" in error
    assert "test.json: 1 objects with a mask that cannot be used" in error
    assert ": annotations[0]\n" in error


def verify(tmp_path, segmentation):
    """Objects with masks, but for the first one of the test split."""
    sources = {}
    for split in ("train", "validation", "test"):
        data = content()
        for entry in data["annotations"]:
            entry["segmentation"] = [SQUARE]
        if split == "test":
            data["annotations"][0]["segmentation"] = segmentation
        sources[split] = write_split(tmp_path / "data", split, data)
    return verify_coco("cells", sources, tmp_path / "verified")


@pytest.mark.parametrize("absent", [None, [], {}])
def test_one_object_without_a_mask_is_told_with_the_count(tmp_path, capsys, absent):
    assert verify(tmp_path, absent)["masks"] is False
    error = capsys.readouterr().err
    assert "1 of 18 objects have no mask" in error and "Mask R-CNN is trained without" in error
    assert "test.json: 1 objects without a mask: annotations[0]\n" in error


def test_boxes_without_any_mask_need_no_message(tmp_path, capsys):
    sources = {s: write_split(tmp_path / "data", s) for s in ("train", "validation", "test")}
    assert verify_coco("cells", sources, tmp_path / "verified")["masks"] is False
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("segmentation", "used", "message"),
    [
        (SQUARE, [SQUARE], ""),
        ([[3, 3], SQUARE], [SQUARE], "test.json: 1 objects with parts of a mask left out"),
        ([SQUARE, [NAN] * 6], [SQUARE], "test.json: 1 objects with parts of a mask left out"),
        ([[2, 4, 8, 4, 2, 4]], [[2, 4, 8, 4, 2, 4]], "1 objects whose mask covers no pixel"),
    ],
)
def test_what_is_a_mask_is_used_and_evaluated(tmp_path, capsys, segmentation, used, message):
    assert verify(tmp_path, segmentation)["masks"] is True
    assert message in capsys.readouterr().err
    annotations = tmp_path / "verified/test.json"
    truth = json.loads(annotations.read_text())
    assert truth["annotations"][0]["segmentation"] == used
    found = [
        {
            "image_id": entry["image_id"],
            "category_id": entry["category_id"],
            "segmentation": coco_mask.merge(coco_mask.frPyObjects([SQUARE], SIDE, SIDE)),
            "score": 0.5,
        }
        for entry in truth["annotations"]
    ]
    for entry in found:
        entry["segmentation"]["counts"] = entry["segmentation"]["counts"].decode()
    (tmp_path / "p.json").write_text(json.dumps(found))
    expected = 100 if used == [SQUARE] else 100 * (2 / 3 + 1) / 2
    metrics = evaluate_coco(annotations, tmp_path / "p.json", "segm")[0]
    assert metrics["mask_ar100"] == pytest.approx(expected)
