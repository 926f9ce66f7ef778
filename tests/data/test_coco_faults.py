"""Annotation files as exporters and people leave them: what works, and what is reported."""

import json
from pathlib import Path

import pytest
from coco_files import SPLITS, content, every, first, write_split

from polyrepro.data import DataError
from polyrepro.data.coco.coco_evaluation import evaluate_coco
from polyrepro.data.coco.coco_folder import verify_coco_folder
from polyrepro.data.coco.coco_format import open_coco, verify_coco
from polyrepro.data.manifests import write_manifest


@pytest.fixture
def cells(tmp_path):
    """Verify a data set of which some splits were edited: their verified contents, the manifest."""

    def verify(edit, *splits):
        sources = {}
        for split, name in SPLITS.items():
            data = content()
            if not splits or split in splits:
                edit(data)
            sources[split] = write_split(tmp_path / "data", name, data)
        manifest = verify_coco("cells", sources, tmp_path / "verified")
        verified = {
            split: json.loads((tmp_path / f"verified/{split}.json").read_text()) for split in SPLITS
        }
        return verified, manifest

    return verify


def perfect_ar(folder, split="test"):
    """Recall and precision of the objects themselves, by the product's evaluation."""
    truth = json.loads((folder / f"{split}.json").read_text())
    keys = ("image_id", "category_id", "bbox")
    found = [{key: a[key] for key in keys} | {"score": 0.9} for a in truth["annotations"]]
    (folder / "p.json").write_text(json.dumps(found))
    metrics = evaluate_coco(folder / f"{split}.json", folder / "p.json", "bbox")[0]
    return metrics["box_ar100"], metrics["box_ap"]


@pytest.mark.parametrize("first_id", [0, -1, None, "a", 1.5, 2**31, 2**70, 2, True, [1], "absent"])
def test_annotation_ids_are_renumbered_and_objects_find_themselves(
    cells, tmp_path, capsys, first_id
):
    def edit(data):
        data["annotations"][0]["id"] = first_id
        if first_id == "absent":
            del data["annotations"][0]["id"]

    verified, _ = cells(edit)
    assert [a["id"] for a in verified["test"]["annotations"]] == [1, 2, 3, 4, 5, 6]
    assert perfect_ar(tmp_path / "verified") == pytest.approx((100, 100))
    message = capsys.readouterr().err
    assert "train.json: 1 annotations whose id is missing, repeated, or no whole number" in message
    assert "all 6 ids are renumbered from 1: annotations[" in message


@pytest.mark.parametrize("offset", ["text", 2**40, -100, 0.5])
def test_ids_of_images_and_categories_are_renumbered_together_with_what_refers_to_them(
    cells, tmp_path, offset
):
    def changed(number):
        return f"id {number}" if offset == "text" else number + offset

    def edit(data):
        for key, name in (("images", "id"), ("categories", "id"), ("annotations", "image_id")):
            for entry in data[key]:
                entry[name] = changed(entry[name])
        for entry in data["annotations"]:
            entry["category_id"] = changed(entry["category_id"])

    verified, manifest = cells(edit)
    assert [i["id"] for i in verified["train"]["images"]] == [1, 2, 3, 4]
    assert {a["image_id"] for a in verified["train"]["annotations"]} == {1, 2, 3}
    if offset != 2**40:
        assert manifest["splits"]["train"]["per_class"] == [3, 3]
    assert perfect_ar(tmp_path / "verified") == pytest.approx((100, 100))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (first("annotations", iscrowd=None), "1 objects without `iscrowd`: 0 is taken"),
        (every("annotations", area=0), "6 objects without a positive `area`: that of the box"),
        (every("annotations", area="48"), "6 objects without a positive `area`"),
        (first("annotations", area=float("nan")), "1 objects without a positive `area`"),
        (first("annotations", area=-3), "1 objects without a positive `area`"),
    ],
)
def test_what_follows_from_other_keys_is_filled_in_and_told(cells, tmp_path, capsys, edit, message):
    verified, manifest = cells(edit)
    for split in SPLITS:
        areas = [a["area"] for a in verified[split]["annotations"]]
        assert areas == [48.0] * 6
        assert {a["iscrowd"] for a in verified[split]["annotations"]} == {0}
        assert manifest["splits"][split]["dropped_boxes"] == 0
    assert perfect_ar(tmp_path / "verified") == pytest.approx((100, 100))
    assert f"train.json: {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("edit", "message", "evaluated"),
    [
        (first("annotations", bbox=["1", "2", "3", "4"]), "1 objects left out, whose `bbox` is", 5),
        (first("annotations", bbox="1,2,3,4"), "1 objects left out, whose `bbox` is", 5),
        (first("annotations", bbox=[4, 4, 0.5, 8]), "1 objects left out, narrower or lower", 6),
        (first("annotations", ignore=1), "1 objects left out, marked `ignore`, as MMDet", 6),
    ],
)
def test_objects_that_mmdetection_passes_over_are_counted_with_the_reason(
    cells, capsys, edit, message, evaluated
):
    verified, manifest = cells(edit)
    assert [a["id"] for a in verified["train"]["annotations"]] == [2, 3, 4, 5, 6]
    assert manifest["splits"]["train"]["dropped_boxes"] == 1
    assert len(verified["test"]["annotations"]) == evaluated
    error = capsys.readouterr().err
    assert f"train.json: {message}" in error and ": annotations[0]\n" in error


def test_ignored_objects_count_neither_for_nor_against_a_detector(cells, tmp_path):
    verified, _ = cells(first("annotations", ignore=True))
    assert [a["iscrowd"] for a in verified["test"]["annotations"]] == [1, 0, 0, 0, 0, 0]
    assert perfect_ar(tmp_path / "verified") == pytest.approx((100, 100))


def test_of_many_objects_ten_are_named(cells, capsys):
    def edit(data):
        data["annotations"] *= 3
        for number, entry in enumerate(data["annotations"]):
            data["annotations"][number] = {**entry, "id": number + 1, "area": None}

    cells(edit, "train")
    named = capsys.readouterr().err.partition("of the box is taken: ")[2].splitlines()[0]
    assert named == ", ".join(f"annotations[{number}]" for number in range(10)) + ", ..."


def test_numbers_as_names_of_categories_are_texts_for_mmdetection(cells):
    def edit(data):
        data["categories"][0]["name"], data["categories"][1]["name"] = 0, 7

    verified, manifest = cells(edit)
    assert manifest["classes"] == ["0", "7"]
    assert [entry["name"] for entry in verified["train"]["categories"]] == ["0", "7"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_annotation_files_of_other_encodings_are_read(tmp_path, encoding):
    for split in SPLITS.values():
        source = write_split(tmp_path / "data", split)
        text = source.annotations.read_text()
        source.annotations.write_text(text, encoding=encoding)
    verify_coco_folder("cells", tmp_path / "data", tmp_path / "verified")
    assert perfect_ar(tmp_path / "verified") == pytest.approx((100, 100))


def test_nan_in_a_file_without_test_split_and_entries_are_named_as_the_file_has_them(
    tmp_path, capsys
):
    data = content(images=25)
    data["annotations"][40]["bbox"] = [1, 2, float("nan"), 4]
    data["annotations"][41]["score"] = float("inf")
    for split in ("train", "val"):
        write_split(tmp_path / "data", split, data)
    manifest = verify_coco_folder("cells", tmp_path / "data", tmp_path / "verified")
    assert manifest["splits"]["validation"]["dropped_boxes"] == 1  # image 20 is held out
    assert "train.json: 1 objects left out, whose `bbox` is not four numbers: annotations[40]" in (
        capsys.readouterr().err
    )
    train = json.loads((tmp_path / "verified/train.json").read_text())
    assert "score" not in train["annotations"][-1], "no tool reads what JSON cannot say"


def test_a_change_after_the_verification_is_noticed(cells, tmp_path):
    _, manifest = cells(lambda data: None)
    folder = tmp_path / "verified"
    write_manifest(folder, manifest)
    assert open_coco(folder).masks is False
    source = tmp_path / "data/annotations/train.json"
    source.write_text(source.read_text().replace("48", "49"))
    open_coco(folder)  # the verified file is what is read
    path = folder / "manifest.json"
    whole = path.read_text()
    path.write_text(whole.replace('"objects": 6', '"objects": 7', 1))
    with pytest.raises(DataError, match=r"manifest\.json was changed .*polyrepro data verify"):
        open_coco(folder)
    path.write_text(whole)
    (folder / "test.json").write_text(source.read_text())
    with pytest.raises(DataError, match=r"test\.json has changed since .* data verify verified"):
        open_coco(folder)


def test_a_results_folder_may_be_moved(cells, tmp_path):
    _, manifest = cells(lambda data: None)
    write_manifest(tmp_path / "verified", manifest)
    moved: Path = (tmp_path / "verified").rename(tmp_path / "moved")
    assert open_coco(moved).annotations["test"] == moved / "test.json"
