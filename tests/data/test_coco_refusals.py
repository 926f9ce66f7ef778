"""Annotation files that cannot be used: an error that names file and entry, and nothing written."""

import json

import pytest
from coco_files import SIDE, SPLITS, content, every, first, write_split

from polyrepro.data import DataError
from polyrepro.data.coco.coco_folder import verify_coco_folder


def nothing(data):
    data["annotations"] = []


def no_images(data):
    data["images"] = data["annotations"] = []


def fractions(data):
    for entry in data["annotations"]:
        entry["bbox"] = [value / SIDE for value in entry["bbox"]]


def added(key, value):
    """An edit that adds an entry."""
    return lambda data: data[key].append(value)


def without(key, name):
    """An edit that takes a key from the first entry of a list."""
    return lambda data: data[key][0].pop(name)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (nothing, r"the split '\w+' has no object to .* among its 0 annotations.*give it annot"),
        (every("annotations", iscrowd=1), r"no object to .* its 6 annotations \(crowds do not"),
        (every("annotations", ignore=1), r"no object to [\s\S]*: 6 objects .*marked `ignore`"),
        (
            every("annotations", bbox=None),
            r"no object to [\s\S]*: 6 objects left out, whose `bbox`",
        ),
        (fractions, r"boxes of all 6 objects lie between 0 and 1, .*multiply them by its width"),
        (no_images, r"json has no images; give the split some"),
        (first("annotations", iscrowd="0"), r"annotations\[0\] has iscrowd '0'; it must be 0 or 1"),
        (first("annotations", ignore="no"), r"annotations\[0\] has ignore 'no'; it must be 0 or 1"),
        (first("annotations", image_id=[10]), r"annotations\[0\] has image_id \[10\]; it must be"),
        (first("annotations", category_id=None), r"annotations\[0\] has category_id None"),
        (first("annotations", image_id="0"), r"\(id 1\) has image_id '0', which is not among"),
        (added("annotations", None), r"annotations\[6\] is None instead of an object"),
        (added("images", "x.png"), r"images\[4\] is 'x\.png' instead of an object"),
        (added("categories", "cell"), r"categories\[2\] is 'cell' instead of an object"),
        (first("images", id=[1]), r"images\[0\] has id \[1\]; it must be a whole number"),
        (without("images", "id"), r"images\[0\] has no `id`"),
        (without("images", "file_name"), r"images\[0\] \(id 0\) has the file_name None; name the"),
        (first("images", file_name=7), r"images\[0\] \(id 0\) has the file_name 7"),
        (without("images", "width"), r"images\[0\].* must have `width` and `height`.*width None"),
        (first("images", height=float("nan")), r"must have `width` and `height`.*height nan"),
        (first("categories", name=""), r"categories\[0\] has the name ''; give it a `name`"),
        (first("categories", name=["cell"]), r"categories\[0\] has the name \['cell'\]"),
        (first("categories", name="platelet"), r"must have at least one entry, and names of their"),
        (lambda data: data.update(annotations={}), r"no list 'annotations'"),
    ],
)
def test_what_cannot_be_mended_is_named_before_any_file_is_written(tmp_path, edit, message, split):
    for name in SPLITS.values():
        data = content()
        source = write_split(tmp_path / "data", name, data)
        if name == split:
            edit(data)
            source.annotations.write_text(json.dumps(data))
    with pytest.raises(DataError, match=rf"{split}\.json[\s\S]*{message}|{message}") as error:
        verify_coco_folder("cells", tmp_path / "data", tmp_path / "verified")
    assert f"{split}.json" in str(error.value)
    assert not (tmp_path / "verified").exists()


@pytest.mark.parametrize(
    "name", ["../val/0.png", "/etc/hostname", "a/../../val/0.png", "..", "..\\val\\0.png"]
)
def test_file_names_that_leave_the_folder_of_images_are_refused(tmp_path, name):
    data = content()
    for split in SPLITS.values():
        source = write_split(tmp_path / "data", split, data)
    data["images"][0]["file_name"] = name
    source.annotations.write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"test\.json.*(leaves the folder of the images|missing)"):
        verify_coco_folder("cells", tmp_path / "data", tmp_path / "verified")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ('{"images": ["é"]}'.encode("latin-1"), r"train\.json is not in Unicode .*save it as UTF"),
        (b"[" * 100_000, r"train\.json is no JSON: .*export it again"),
    ],
)
def test_unreadable_annotation_files_are_named(tmp_path, raw, message):
    write_split(tmp_path / "data", "train").annotations.write_bytes(raw)
    with pytest.raises(DataError, match=message):
        verify_coco_folder("cells", tmp_path / "data", tmp_path / "verified")


def test_an_annotation_file_is_not_overwritten(tmp_path):
    for split in SPLITS.values():
        write_split(tmp_path / "data", split)
    with pytest.raises(DataError, match=r"train\.json would be overwritten; .*--output"):
        verify_coco_folder("cells", tmp_path / "data", tmp_path / "data/annotations")
