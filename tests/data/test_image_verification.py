import dataclasses
import os
import shutil

import numpy as np
import pytest
from image_trees import (
    CLASSES,
    SMALL,
    SMALL_UNSPLIT,
    encoded,
    pack_official,
    pack_tar,
    picture,
    write_classes,
    write_tree,
)
from PIL import Image

from polyrepro.cli import main
from polyrepro.data import DataError
from polyrepro.data.decoding import decode_rgb
from polyrepro.data.held_out import held_out_positions
from polyrepro.data.indexed.image_datasets import imagenet1k, imagenet1k_sample, imagenet21k
from polyrepro.data.indexed.image_index import ImageIndex
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.verification import verify
from polyrepro.data.manifests import read_manifest


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("folders"))


@pytest.fixture
def tree(folders, tmp_path):
    """A copy to damage."""
    return shutil.copytree(folders, tmp_path / "data")


def contents(root, output, dataset=SMALL):
    """Names, labels, splits and pixels of a verified data set."""
    verify(dataset, root, output)
    data = IndexedImages(output)
    index = data.index
    pixels = [np.asarray(decode_rgb(data.open(row), "")).tobytes() for row in range(len(index))]
    names = [index.name(row) for row in range(len(index))]
    return names, index.labels.tolist(), index.splits.tolist(), pixels


def official_tars(folders, root):
    pack_official(folders / "train", root / "ILSVRC2012_img_train.tar")
    pack_tar(folders / "val", root / "val.tar")


def tars_of_splits(folders, root):
    pack_tar(folders / "train", root / "train.tar", prefix="./")
    pack_tar(folders / "val", root / "val.tar", prefix="val/")


def one_tar(folders, root):
    pack_tar(folders, root / "imagenet.tar")


@pytest.mark.parametrize("layout", [official_tars, tars_of_splits, one_tar])
def test_tar_files_are_the_same_data_as_folders(folders, tmp_path, layout):
    layout(folders, tmp_path / "tars")
    expected = contents(folders, tmp_path / "from_folders")
    assert contents(tmp_path / "tars", tmp_path / "from_tars") == expected
    assert len(set(expected[3])) == 32  # every image of its own


def test_a_tar_file_itself_can_be_the_root(folders, tmp_path):
    one_tar(folders, tmp_path)
    from_tar = contents(tmp_path / "imagenet.tar", tmp_path / "from_tar")
    assert from_tar == contents(folders, tmp_path / "from_folders")


@pytest.mark.parametrize("layout", ["folders", "tar per class", "one tar"])
def test_unsplit_data_lie_in_folders_or_tars_of_synsets(folders, tmp_path, layout):
    root = folders / "train"
    if layout == "tar per class":
        root = tmp_path / "tars"
        for name in CLASSES:
            pack_tar(folders / "train" / name, root / f"{name}.tar")
    elif layout == "one tar":
        root = tmp_path / "whole.tar"
        pack_official(folders / "train", root)
    manifest = verify(SMALL_UNSPLIT, root, tmp_path / "index")
    counts = {name: split["images"] for name, split in manifest["splits"].items()}
    assert counts == {"train": 15, "validation": 3, "test": 6}
    assert sum(np.array(s["per_class"]) for s in manifest["splits"].values()).tolist() == (
        [6, 6, 6, 6, 0]
    )


def test_manifest_counts_what_is_there(tree, tmp_path):
    (tree / "val" / CLASSES[0] / ".DS_Store").write_bytes(b"")
    (tree / "val" / CLASSES[0] / "readme.txt").write_text("not an image")
    manifest = verify(SMALL, tree, tmp_path / "index")
    assert read_manifest(tmp_path / "index") == manifest
    assert manifest["splits"]["test"] == {"images": 8, "per_class": [2, 2, 2, 2]}
    assert manifest["splits"]["train"]["images"] == 24 - 5
    assert manifest["files_ignored"] == {".txt": 1, "hidden": 1}
    assert manifest["checks"]["images"] == 32
    sizes = [path.stat().st_size for path in tree.rglob("*.JPEG")]
    assert manifest["bytes"] == sum(sizes)


def test_the_same_data_give_the_same_files(folders, tmp_path):
    for name in ("one", "two"):
        verify(SMALL, folders, tmp_path / name)
    for name in ("index.npz", "manifest.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_known_oddities_of_imagenet_pass_and_are_counted(tree, tmp_path):
    folder = tree / "train" / CLASSES[0]
    image = picture(0)
    palette = image.convert("P")
    palette.info["transparency"] = bytes(range(256))
    odd = {
        "png.JPEG": encoded(image, "PNG"),
        "cmyk.JPEG": encoded(image.convert("CMYK")),
        "grey.JPEG": encoded(image.convert("L")),
        "rgba.png": encoded(image.convert("RGBA"), "PNG"),
        "palette.png": encoded(palette, "PNG"),
        "exif.JPEG": encoded(image, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff garbage"),
    }
    for name, raw in odd.items():
        (folder / name).write_bytes(raw)
    manifest = verify(SMALL, tree, tmp_path / "index", full=True)
    assert manifest["checks"]["oddities"] == {
        "PNG named .jpeg": 1,
        "colours CMYK": 1,
        "colours L": 1,
        "colours P": 1,
        "colours RGBA": 1,
    }


def test_names_that_are_no_utf8_and_formats_of_other_systems_are_read(tree, tmp_path):
    name = os.fsdecode(b"caf\xe9.JPEG")
    folder = tree / "train" / CLASSES[0]
    (folder / name).write_bytes(encoded(picture(0)))
    for format in ("PCX", "TGA", "GIF"):
        (folder / f"x.{format.lower()}").write_bytes(encoded(picture(0), format))
    expected = contents(tree, tmp_path / "from_folders")
    assert {name, "x.pcx", "x.tga", "x.gif"} <= set(expected[0])
    pack_tar(tree, tmp_path / "imagenet.tar")
    assert contents(tmp_path / "imagenet.tar", tmp_path / "from_tar") == expected


def test_turned_and_dark_images_are_counted(tree, tmp_path):
    folder = tree / "train" / CLASSES[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "turned.JPEG").write_bytes(encoded(picture(0), exif=exif))
    grey = np.asarray(picture(0).convert("L"))
    for name, factor in (("dark.png", 16), ("light.png", 257)):  # 12 bits, 16 bits
        image = Image.fromarray(grey.astype(np.uint16) * factor)
        (folder / name).write_bytes(encoded(image, "PNG"))
    (folder / "phone.heic").write_bytes(b"")
    manifest = verify(SMALL, tree, tmp_path / "index", full=True)
    assert manifest["checks"]["oddities"] == {
        "16 bits, the upper four unused: read as nearly black, at most 16 of 255": 1,
        "colours I;16": 2,
        "turned by EXIF": 1,
    }
    assert manifest["files_ignored"] == {".heic": 1}


def test_held_out_images_depend_on_names_alone_and_hardly_on_other_images():
    names = [f"{i}.JPEG" for i in range(500)]
    counts = {"test": 50, "validation": 30}
    held = held_out_positions("data", ["c"] * 500, names, counts)
    assert [len(held[split]) for split in counts] == [50, 30]
    assert not set(held["test"]) & set(held["validation"])
    order = np.random.default_rng(0).permutation(500)
    shuffled = held_out_positions("data", ["c"] * 500, [names[i] for i in order], counts)
    assert sorted(order[shuffled["test"]]) == held["test"].tolist()
    without = held_out_positions("data", ["c"] * 499, names[:-1], counts)
    assert len(set(held["test"]) - set(without["test"])) <= 1
    other = held_out_positions("other", ["c"] * 500, names, counts)
    assert other["test"].tolist() != held["test"].tolist()


def test_imagenet_sample_without_training_part_lends_its_images(folders, tmp_path):
    shutil.copytree(folders / "val", tmp_path / "data" / "val")
    manifest = verify(imagenet1k_sample(), tmp_path / "data", tmp_path / "index")
    assert {name: split["images"] for name, split in manifest["splits"].items()} == {
        "train": 8,
        "validation": 8,
        "test": 8,
    }
    assert len(manifest["classes"]) == 1000


def test_class_lists_are_the_known_ones():
    assert len(imagenet1k().classes) == 1000 and imagenet1k().classes[0] == "n01440764"
    classes = imagenet21k().classes
    assert len(classes) == 21_843 and {"n03931044", "n09859684"} <= set(classes)


def test_the_command_writes_index_and_manifest(folders, tmp_path, capsys):
    root = tmp_path / "data"
    shutil.copytree(folders / "val", root / "val")
    output = tmp_path / "index"
    arguments = ["--root", str(root), "--output", str(output), "--checksums", "full"]
    main(["data", "verify", "imagenet1k_sample", *arguments])
    assert "8 train, 8 validation, 8 test images; 24 read and decoded" in capsys.readouterr().err
    assert IndexedImages(output).name == "imagenet1k_sample"


def test_an_index_with_pickled_objects_is_refused(tmp_path):
    path = tmp_path / "index.npz"
    np.savez(path, labels=np.array([os.getcwd], dtype=object))
    with pytest.raises(DataError, match=r"not an index of images: .*allow_pickle=False"):
        ImageIndex.from_bytes(path.read_bytes())


def test_a_data_set_smaller_than_what_is_held_out(folders, tmp_path):
    greedy = dataclasses.replace(SMALL, held_out={"validation": 24})
    with pytest.raises(DataError, match=r"has 24 images, of which 24 would be held out"):
        verify(greedy, folders, tmp_path / "index")


def test_extra_images_may_not_share_a_name(tmp_path):
    write_classes(tmp_path / "one", per_class=2)
    pack_tar(tmp_path / "one" / CLASSES[0], tmp_path / "one" / f"{CLASSES[0]}.tar")
    with pytest.raises(DataError, match=rf"{CLASSES[0]}/{CLASSES[0]}_0\.JPEG is there twice"):
        verify(SMALL_UNSPLIT, tmp_path / "one", tmp_path / "index")
