"""Damaged data sets: every error names the place and says how to mend it."""

import os
import shutil
import tarfile

import numpy as np
import pytest
from image_trees import CLASSES, SMALL, encoded, pack_official, pack_tar, picture, write_tree

from polyrepro.data import DataError
from polyrepro.data.indexed.image_datasets import imagenet1k, imagenet1k_sample
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.verification import verify


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("intact"))


@pytest.fixture
def tree(intact, tmp_path):
    """A copy to damage."""
    return shutil.copytree(intact, tmp_path / "data")


def refuse(root, message, dataset=SMALL, **options):
    """The verification fails with the message and writes nothing."""
    output = root.parent / "index"
    with pytest.raises(DataError, match=message):
        verify(dataset, root, output, **options)
    assert not output.exists()


def test_missing_root(tmp_path):
    refuse(tmp_path / "absent", r"small: there is no .*absent; give the folder .* with --root")


def test_missing_class(tree):
    shutil.rmtree(tree / "train" / CLASSES[2])
    refuse(tree, rf"train has 3 classes, small has 4; restore the missing ones \(1\): {CLASSES[2]}")


def test_extra_class(tree):
    shutil.copytree(tree / "val" / CLASSES[0], tree / "val" / "n99999999")
    refuse(tree, r"val has 5 classes, small has 4; move away .* not its own \(1\): n99999999")


def test_of_many_missing_classes_ten_are_named(tree):
    refuse(
        tree, r"has 4 classes, imagenet1k has 1,000; .*\(996\): (n\d+, ){10}\.\.\.", imagenet1k()
    )


def test_unknown_class_in_a_sample(tree):
    shutil.copytree(tree / "val" / CLASSES[0], tree / "val" / "cats")
    refuse(tree, r"imagenet1k_sample has up to 1,000; move away .*: cats", imagenet1k_sample())


@pytest.mark.parametrize("part", ["train", "val"])
def test_no_class_folder_in_a_sample(tree, part):
    for path in (tree / part).iterdir():
        shutil.rmtree(path)
    refuse(tree, rf"{part} has no class folders; .* such as n01440764/1", imagenet1k_sample())


def test_empty_class(tree):
    for path in (tree / "train" / CLASSES[1]).iterdir():
        path.unlink()
    refuse(tree, rf"no images of 1 of the \d+ classes in \S+train: {CLASSES[1]}; restore them")


def test_empty_class_in_a_tar_of_tars(tree):
    for path in (tree / "train" / CLASSES[1]).iterdir():
        path.unlink()
    pack_official(tree / "train", tree / "ILSVRC2012_img_train.tar")
    shutil.rmtree(tree / "train")
    refuse(tree, rf"no images of 1 of the \d+ classes in \S+img_train\.tar: {CLASSES[1]}")


@pytest.mark.parametrize(("part", "split"), [("train", "train"), ("val", "test")])
def test_missing_split(tree, part, split):
    shutil.rmtree(tree / part)
    refuse(tree, rf"small: no {split} images in .*; looked for {part}/, {part}\.tar, ILSVRC2012")


def test_compressed_tar_file(tree):
    shutil.rmtree(tree / "train")
    (tree / "train.tar.gz").write_bytes(b"")
    refuse(tree, r"no train images .*train\.tar\.gz is compressed, .*: decompress it")


def test_compressed_tar_file_under_a_plain_name(tree):
    shutil.rmtree(tree / "val")
    with tarfile.open(tree / "val.tar", "w:gz") as archive:
        archive.add(tree / "train", "val")
    refuse(tree, r"val\.tar is not a tar file that can be read in place .*decompress it")


@pytest.mark.parametrize("as_tar", [False, True])
@pytest.mark.parametrize("prefix", ["", "val/"])
def test_unsorted_validation_images(tree, as_tar, prefix):
    flat = tree / "val_flat"
    flat.mkdir()
    for path in (tree / "val").glob("*/*"):
        path.rename(flat / path.name)
    shutil.rmtree(tree / "val")
    if as_tar:
        pack_tar(flat, tree / "ILSVRC2012_img_val.tar", prefix)
    else:
        flat.rename(tree / "val")
    refuse(tree, r"val(\.tar)? is not sorted into class folders: .* valprep\.sh")


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("cut.JPEG", encoded(picture(0))[:-400], r"cannot decode .*cut\.JPEG: .*truncated"),
        ("cut.png", encoded(picture(0), "PNG")[:-400], r"cannot decode .*cut\.png"),
        ("empty.JPEG", b"", r"cannot decode .*empty\.JPEG: cannot identify image"),
        ("page.JPEG", b"<html>404</html>", r"1 of 33 images read are damaged:\n.*page\.JPEG"),
    ],
)
def test_image_that_cannot_be_decoded(tree, name, raw, message):
    (tree / "train" / CLASSES[0] / name).write_bytes(raw)
    refuse(tree, message + r"[\s\S]*restore it .* never skipped or replaced", full=True)


def test_of_many_damaged_images_ten_are_named(tree):
    for path in (tree / "train").rglob("*.JPEG"):
        path.write_bytes(b"damaged")
    with pytest.raises(DataError, match="24 of 32 images read are damaged") as error:
        verify(SMALL, tree, tree.parent / "index")
    assert len(str(error.value).splitlines()) == 11


def test_dangling_link(tree):
    (tree / "train" / CLASSES[0] / "link.JPEG").symlink_to("nowhere")
    refuse(tree, r"cannot read .*link\.JPEG: No such file .*restore the file or the link's target")


def test_link_inside_a_tar(tree):
    os.link(
        tree / "val" / CLASSES[0] / f"{CLASSES[0]}_100.JPEG", tree / "val" / CLASSES[0] / "a.JPEG"
    )
    pack_tar(tree / "val", tree / "val.tar")
    shutil.rmtree(tree / "val")
    refuse(tree, r"val\.tar: .* is a link to .*tar --dereference --hard-dereference")


@pytest.mark.parametrize("pack", [pack_tar, pack_official])
def test_tar_cut_off_anywhere(tree, pack):
    """Inside an image, inside a header, between members, before the end: never a shorter list."""
    whole = tree / "whole.tar"
    pack(tree / "train", whole)
    raw = whole.read_bytes().rstrip(b"\0")
    whole.unlink()
    shutil.rmtree(tree / "train")
    cuts = np.random.default_rng(0).integers(1, len(raw), 12).tolist()
    for cut in [*cuts, 512, 1024, 512 * (len(raw) // 512)]:
        (tree / "train.tar").write_bytes(raw[:cut])
        refuse(tree, r"train\.tar.* (is cut off or damaged|is not a tar file).*copy or download it")


@pytest.fixture
def verified(tree):
    """A data set and the index of its folders."""
    verify(SMALL, tree, tree.parent / "index")
    return tree, tree.parent / "index"


@pytest.fixture
def verified_tar(tree):
    """The same with a training tar."""
    pack_tar(tree / "train", tree / "train.tar")
    shutil.rmtree(tree / "train")
    verify(SMALL, tree, tree.parent / "index")
    return tree, tree.parent / "index"


@pytest.mark.parametrize("name", ["index.npz", "manifest.json"])
def test_without_index_or_manifest_nothing_is_opened(verified, name):
    (verified[1] / name).unlink()
    with pytest.raises(DataError, match=rf"{name}.*`polyrepro data verify`"):
        IndexedImages(verified[1])


def test_damaged_index(verified):
    path = verified[1] / "index.npz"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"index\.npz does not belong to the manifest .*sha256 is"):
        IndexedImages(verified[1])


def test_image_that_changed_after_the_verification(verified):
    data = IndexedImages(verified[1])
    path = data.where(3)
    with open(path, "ab") as file:
        file.write(b"x")
    with pytest.raises(
        DataError, match=r"_\d+\.JPEG has [\d,]+ bytes instead of .*verify it again"
    ):
        data.open(3)
    os.unlink(path)
    with pytest.raises(DataError, match=r"JPEG cannot be read \(No such file.*verify it again"):
        data.open(3)


def test_tar_that_was_packed_again_after_the_verification(verified_tar):
    root, index = verified_tar
    data = IndexedImages(index)
    assert data.where(3).startswith(f"{root / 'train.tar'}:{CLASSES[0]}/")
    unpacked = root / "unpacked"
    with tarfile.open(root / "train.tar") as archive:
        archive.extractall(unpacked, filter="data")
    with tarfile.open(root / "train.tar", "w") as archive:
        for path in sorted(unpacked.rglob("*.JPEG")):
            archive.add(path, path.relative_to(unpacked))
    with pytest.raises(DataError, match=r"train\.tar:.* no longer at its place in the tar file"):
        data.open(3)


def test_citation_follows_the_data_and_not_their_place(verified, tmp_path):
    tree, index = verified
    citation = IndexedImages(index).citation
    moved = shutil.move(tree, tmp_path / "moved")
    verify(SMALL, moved, tmp_path / "second")
    assert IndexedImages(tmp_path / "second").citation == citation
    next((moved / "train" / CLASSES[0]).iterdir()).write_bytes(encoded(picture(200)))
    verify(SMALL, moved, tmp_path / "third")
    changed = IndexedImages(tmp_path / "third").citation
    assert changed["index_sha256"] != citation["index_sha256"]
    assert changed["manifest_sha256"] != citation["manifest_sha256"]


def test_unknown_split(verified):
    with pytest.raises(DataError, match="small has no split 'dev'; it has train, validation, test"):
        IndexedImages(verified[1]).rows("dev")
