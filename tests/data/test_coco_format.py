"""Detection data in COCO's format: what works, and what is an error before any training."""

import json
import re

import pytest
from coco_files import CATEGORIES, SIDE, content, write_split

from polyrepro.data import DataError
from polyrepro.data.coco.coco_folder import verify_coco_folder
from polyrepro.data.coco.coco_format import open_coco, verify_coco
from polyrepro.data.coco.reading import CocoSource
from polyrepro.data.detection_datasets import verify_detection
from polyrepro.data.manifests import write_manifest


def verify(tmp_path, **changed):
    """Verify a data set of which some splits have other contents."""
    sources = {
        split: write_split(tmp_path / "data", split, changed.get(split))
        for split in ("train", "validation", "test")
    }
    return verify_coco("cells", sources, tmp_path / "verified")


def contents(tmp_path, split):
    """What training and evaluation read."""
    return json.loads((tmp_path / f"verified/{split}.json").read_text())


def test_gaps_in_ids_and_images_without_objects_work(tmp_path):
    manifest = verify(tmp_path)
    assert manifest["classes"] == ["cell", "platelet"] and manifest["masks"] is False
    train = manifest["splits"]["train"]
    assert (train["images"], train["objects"], train["per_class"]) == (4, 6, [3, 3])
    assert (train["images_without_objects"], train["dropped_boxes"]) == (1, 0)
    write_manifest(tmp_path / "verified", manifest)
    data = open_coco(tmp_path / "verified")
    assert data.classes == ("cell", "platelet") and data.citation == manifest
    assert data.annotations["test"] == tmp_path / "verified/test.json"
    assert contents(tmp_path, "test") == content(), "nothing to correct"
    assert data.count("train") == 4 and data.count("train", 2) == 2


@pytest.mark.parametrize(
    "box",
    [
        [4, 4, 0, 8],
        [4, 4, 8, -1],
        [SIDE, 4, 8, 8],
        [-8, 4, 8, 8],
        [4, 4, float("nan"), 8],
        [4, 4, 8],
        None,
    ],
)
def test_degenerate_boxes_are_dropped_counted_and_logged(tmp_path, capsys, box):
    damaged = content()
    damaged["annotations"][1]["bbox"] = box
    manifest = verify(tmp_path, train=damaged)
    assert manifest["splits"]["train"]["dropped_boxes"] == 1
    assert manifest["splits"]["train"]["per_class"] == [3, 2]
    assert re.search(
        r"train\.json: 1 objects left out, .*: annotations\[1\]\n", capsys.readouterr().err
    )
    kept = contents(tmp_path, "train")["annotations"]
    assert [entry["id"] for entry in kept] == [1, 3, 4, 5, 6]


def changed(key, position, **values):
    data = content()
    data[key][position] = data[key][position] | values
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed("categories", 1, name="leaf"), "entry 2 is 90 'leaf' instead of 90 'platelet'"),
        (
            content() | {"categories": CATEGORIES[::-1]},
            "entry 1 is 90 'platelet' instead of 3 'cell'",
        ),
        (
            content() | {"categories": [*CATEGORIES, {"id": 91, "name": "x"}]},
            "it has 3 entries instead of 2; all files must have the same",
        ),
        (
            changed("annotations", 0, category_id=4),
            r"\[0\] \(id 1\) has category_id 4, which is not",
        ),
        (
            changed("annotations", 0, image_id=5),
            r"\[0\] \(id 1\) has image_id 5, which is not among",
        ),
        (changed("images", 1, id=0), r"images\[1\] repeats the id 0 of images\[0\]"),
        (changed("images", 1, width="32"), "must have `width` and `height` in whole pixels"),
        (changed("images", 1, width=40), "1.png has 32 x 32 pixels, but its annotation file says"),
        (content() | {"categories": []}, "`categories` must have at least one entry"),
        ([], "is not in COCO's format: no list 'images'"),
        ({"images": [], "annotations": []}, "is not in COCO's format: no list 'categories'"),
    ],
)
def test_what_does_not_fit_together_is_named(tmp_path, data, message):
    for split in ("train", "test"):
        write_split(tmp_path / "data", split)
    source = write_split(tmp_path / "data", "validation")
    source.annotations.write_text(json.dumps(data))
    sources = {s: write_split(tmp_path / "data", s) for s in ("train", "test")}
    with pytest.raises(DataError, match=message):
        verify_coco("cells", {**sources, "validation": source}, tmp_path / "verified")


def test_the_first_ten_missing_images_are_named(tmp_path):
    data = content(images=14)
    source = write_split(tmp_path / "data", "train", data)
    for number in range(1, 13):
        (source.images / f"{number}.png").unlink()
    with pytest.raises(DataError, match=r"12 of 14 images of .*train.json are missing") as error:
        verify_coco("cells", {"train": source}, tmp_path / "verified")
    named = [number for number in range(14) if f"/{number}.png" in str(error.value)]
    assert named == list(range(1, 11))


def test_a_damaged_image_is_named(tmp_path):
    source = write_split(tmp_path / "data", "train")
    (source.images / "2.png").write_bytes((source.images / "2.png").read_bytes()[:100])
    with pytest.raises(DataError, match=r"cannot decode the image .*2\.png"):
        verify_coco("cells", {"train": source}, tmp_path / "verified")


def test_a_changed_image_changes_the_checksum(tmp_path):
    before = verify(tmp_path)["splits"]
    path = tmp_path / "data/train/0.png"
    path.write_bytes((tmp_path / "data/test/0.png").read_bytes())
    source = {"train": write_split(tmp_path / "other", "train")}
    assert verify_coco("cells", source, tmp_path / "v")["splits"]["train"] == before["train"]
    sources = {"train": CocoSource(source["train"].annotations, path.parent)}
    after = verify_coco("cells", sources, tmp_path / "v")["splits"]
    assert after["train"]["sha256"] != before["train"]["sha256"]


def test_annotation_files_that_cannot_be_read_are_named(tmp_path):
    write_split(tmp_path / "data", "train")
    with pytest.raises(DataError, match=r"no annotation file for the split 'validation'.*val2017"):
        verify_coco_folder("coco", tmp_path / "data", tmp_path / "verified")
    write_split(tmp_path / "data", "val").annotations.write_text("{")
    with pytest.raises(DataError, match=r"val.json is no JSON"):
        verify_coco_folder("coco", tmp_path / "data", tmp_path / "verified")
    with pytest.raises(DataError, match=r"the folder of the data set 'coco' is not known"):
        verify_detection("coco", None, tmp_path / "verified")
    with pytest.raises(DataError, match=r"holds no verified data set"):
        open_coco(tmp_path / "nothing")


def test_without_a_test_split_validation_images_are_held_out_of_training(tmp_path):
    """COCO's own layout and names."""
    root = tmp_path / "data"
    for split, images in (("train", 25), ("val", 4)):
        source = write_split(root, split, content(images))
        source.annotations.rename(source.annotations.with_name(f"instances_{split}2017.json"))
        source.images.rename(root / f"{split}2017")
    manifest = verify_coco_folder("coco", root, tmp_path / "verified")
    counts = {split: entry["images"] for split, entry in manifest["splits"].items()}
    assert counts == {"train": 22, "validation": 3, "test": 4}
    index = json.loads((tmp_path / "verified/index.json").read_text())
    assert index["test"]["images"].endswith("val2017")
    images = {
        split: {entry["file_name"] for entry in contents(tmp_path, split)["images"]}
        for split in index
    }
    assert images["validation"] == {"0.png", "10.png", "20.png"}
    assert not images["train"] & images["validation"]
    assert index["validation"]["images"] == index["train"]["images"]


def test_three_splits_of_one_image_folder_are_taken_as_they_are(tmp_path):
    root = tmp_path / "data"
    for split in ("train", "val", "test"):
        write_split(root, split)
    (root / "train").rename(root / "images")
    for split in ("val", "test"):
        for path in (root / split).iterdir():
            path.unlink()
    manifest = verify_coco_folder("cells", root, tmp_path / "verified")
    assert [entry["images"] for entry in manifest["splits"].values()] == [4, 4, 4]
