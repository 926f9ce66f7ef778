"""Manifests: one that is damaged, or was changed by hand, is noticed."""

import pytest
from image_trees import SMALL, write_tree

from polyrepro.cli import main
from polyrepro.data import DataError, open_dataset
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.verification import verify
from polyrepro.data.manifests import read_manifest, write_manifest


@pytest.fixture
def verified(tmp_path):
    """A data set and its index."""
    tree = write_tree(tmp_path / "data")
    verify(SMALL, tree, tmp_path / "index")
    return tree, tmp_path / "index"


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 0}'])
def test_damaged_manifest(verified, text):
    (verified[1] / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"manifest\.json.*make it with `polyrepro data verify`"):
        IndexedImages(verified[1])


def test_a_manifest_that_was_changed_by_hand(verified):
    path = verified[1] / "manifest.json"
    whole = path.read_text()
    path.write_text(whole.replace("0.485", "0.458"))
    with pytest.raises(DataError, match=r"manifest\.json was changed after it was written"):
        IndexedImages(verified[1])
    path.write_text(whole.replace(str(verified[0]), "/elsewhere"))
    assert IndexedImages(verified[1]).where(0).startswith("/elsewhere/"), "data may be moved"


def test_the_manifest_of_embedded_data_that_was_changed_by_hand(tmp_path):
    folder = tmp_path / "data/fashion_mnist"
    main(["data", "verify", "fashion_mnist", "--output", str(folder)])
    assert open_dataset("fashion_mnist", tmp_path).name == "fashion_mnist"
    manifest = read_manifest(folder)
    manifest["splits"]["test"]["images"] += 1
    write_manifest(folder, manifest)  # with a new checksum, too
    with pytest.raises(DataError, match=r"is not that of fashion_mnist .*data verify fashion_mni"):
        open_dataset("fashion_mnist", tmp_path)
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text()[:-9] + "}")
    with pytest.raises(DataError, match=r"manifest\.json"):
        open_dataset("fashion_mnist", tmp_path)
