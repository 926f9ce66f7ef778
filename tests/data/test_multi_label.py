"""Files of labels: several classes per image."""

import pytest
from image_trees import CLASSES, SMALL, write_tree

from polyrepro.data import DataError
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.multi_label import read_multi_label
from polyrepro.data.indexed.verification import verify


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("folders"))


def labels_file(tmp_path, *lines):
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["image,synsets", *lines]) + "\n")
    return path


def test_several_classes_per_image_are_read_from_a_file(folders, tmp_path):
    image = f"{CLASSES[1]}/{CLASSES[1]}_7.JPEG"
    path = labels_file(tmp_path, f"{image},{CLASSES[3]} {CLASSES[1]}")
    verify(SMALL, folders, tmp_path / "index", multi_label=path)
    data = IndexedImages(tmp_path / "index")
    targets = {data.index.name(row): data.index.targets_of(row).tolist() for row in range(32)}
    assert data.several_labels
    assert targets[f"{CLASSES[1]}_7.JPEG"] == [1, 3]
    assert targets[f"{CLASSES[2]}_12.JPEG"] == [2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("n01440764/a.JPEG", r"line 2: expected `CLASS_FOLDER/FILE,SYNSET SYNSET"),
        ("n01440764/a.JPEG,n99", r"line 2: unknown synset n99"),
        ("n01440764/no.JPEG,n01440764", r"names 1 images that are not there: n01440764/no\.JPEG"),
    ],
)
def test_bad_lines_of_labels(folders, tmp_path, line, message):
    with pytest.raises(DataError, match=message):
        verify(SMALL, folders, tmp_path / "i", multi_label=labels_file(tmp_path, line))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_labels_are_read_as_spreadsheets_write_them(folders, tmp_path, encoding):
    path = tmp_path / "labels.csv"
    text = f"image,synsets\r\n{CLASSES[1]}/{CLASSES[1]}_7.JPEG,{CLASSES[3]}\r\n"
    path.write_bytes(text.encode(encoding))
    assert read_multi_label(path, CLASSES) == {f"{CLASSES[1]}/{CLASSES[1]}_7.JPEG": [3]}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            "image,synsets\nn01440764/é.JPEG,n01440764\n".encode("latin-1"),
            r"labels\.csv, line 2: "
            r"cannot be read as UTF-8 .*save the file as UTF-8 \(in Excel: `CSV UTF-8`\)",
        ),
        (
            b"image;synsets\n",
            r"must be `image,synsets`, found \['image;synsets'\]; save the file",
        ),
        (b"", r"first line must be `image,synsets`, found None"),
        (b'image,synsets\n"' + b"x" * 200_000, r"labels\.csv, line \d: no CSV \(field larger"),
    ],
)
def test_labels_that_cannot_be_read_are_named(tmp_path, raw, message):
    (tmp_path / "labels.csv").write_bytes(raw)
    with pytest.raises(DataError, match=message):
        read_multi_label(tmp_path / "labels.csv", CLASSES)
