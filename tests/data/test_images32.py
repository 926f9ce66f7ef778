"""Class folders and CIFAR files as arrays of 32 pixels: what is read, and what is refused."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from image_trees import encoded, picture
from PIL import Image
from small_folders import CLASSES, write_cifar10, write_folders, write_images

from polyrepro.cli import main
from polyrepro.data import DataError, open_dataset
from polyrepro.data.in_memory import memory_limit
from polyrepro.data.in_memory.images32 import ARRAYS_FILE
from polyrepro.files import data_folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_folders(tmp_path_factory.mktemp("folders"))


@pytest.fixture
def tree(folders, tmp_path):
    """A copy to damage."""
    return shutil.copytree(folders, tmp_path / "data")


def verified(root, results, name="images32"):
    """The data set as a training opens it."""
    output = data_folder(results, name)
    main(["data", "verify", name, "--root", str(root), "--output", str(output)])
    return open_dataset(name, results)


def refusal(root, tmp_path, name="images32"):
    """What the command says; it must have written nothing."""
    output = tmp_path / "refused"
    with pytest.raises(SystemExit) as stopped:
        main(["data", "verify", name, "--root", str(root), "--output", str(output)])
    assert not output.exists() or not list(output.iterdir())
    return str(stopped.value)


def test_folders_become_arrays_with_a_tenth_of_each_class_held_out(folders, tmp_path):
    data = verified(folders, tmp_path)
    assert data.classes == CLASSES and data.channels == 3
    counts = {n: s["per_class"] for n, s in data.manifest["splits"].items()}
    assert counts == {"train": [18] * 3, "validation": [2] * 3, "test": [4] * 3}
    seen = {n: {i.tobytes() for i in s.images} for n, s in data.splits.items()}
    assert not seen["train"] & seen["validation"]
    known = {
        (label, np.asarray(Image.open(path)).tobytes())
        for label, name in enumerate(CLASSES)
        for path in (folders / "train" / name).iterdir()
    }
    train = data.splits["train"]
    assert {(c, i.tobytes()) for c, i in zip(train.labels, train.images, strict=True)} <= known


def test_the_first_training_images_are_balanced(folders, tmp_path):
    labels = verified(folders, tmp_path).splits["train"].labels
    assert np.bincount(labels[:30]).tolist() == [10] * 3


def test_mean_and_deviation_are_those_of_the_training_pixels(folders, tmp_path):
    data = verified(folders, tmp_path)
    pixels = data.splits["train"].images.reshape(-1, 3) / 255
    assert data.mean == pytest.approx(pixels.mean(axis=0), abs=1e-4)
    assert data.std == pytest.approx(pixels.std(axis=0), abs=1e-4)


def test_which_images_are_held_out_depends_on_names_alone(tree, folders, tmp_path):
    before = verified(folders, tmp_path / "a").citation
    (tree / "train").rename(tree / "aside")
    shutil.copytree(tree / "aside", tree / "train")  # written in another order
    assert verified(tree, tmp_path / "b").citation == before


def test_validation_images_of_ones_own_are_taken_and_none_held_out(tree, tmp_path):
    write_images(tree / "validation", per_class=3, first=700)
    data = verified(tree, tmp_path)
    assert {n: len(s.labels) for n, s in data.splits.items()} == {
        "train": 60,
        "validation": 9,
        "test": 12,
    }


def test_val_is_the_test_split_where_there_is_no_test(tree, tmp_path):
    (tree / "test").rename(tree / "val")
    assert len(verified(tree, tmp_path).splits["test"].labels) == 12


def test_images_of_mixed_sizes_are_resized_counted_and_told(tree, tmp_path, capsys):
    write_images(tree / "train", per_class=2, size=(64, 48), first=300)
    (tree / "train/sneaker/notes.txt").write_text("not an image")
    data = verified(tree, tmp_path)
    assert all(split.images.shape[1:] == (32, 32, 3) for split in data.splits.values())
    told = capsys.readouterr().err
    assert "sizes in pixels: 72 of 32 x 32, 6 of 64 x 48" in told
    assert "resized to 32 x 32: 6 images; files that are no images: 1" in told
    manifest = json.loads((data_folder(tmp_path, "images32") / "manifest.json").read_text())
    assert manifest["read"]["resized"] == 6


def test_a_wide_image_is_cut_around_its_centre(tree, tmp_path):
    stripes = Image.new("RGB", (96, 32), "red")
    stripes.paste("blue", (32, 0, 64, 32))
    for path in (tree / "test/bag").iterdir():
        path.write_bytes(encoded(stripes, "PNG"))
    test = verified(tree, tmp_path).splits["test"]
    assert (test.images[test.labels == 0] == (0, 0, 255)).all()


def test_grey_images_become_coloured(tree, tmp_path):
    path = tree / "test/bag/500.png"
    path.write_bytes(encoded(picture(3, (32, 32)).convert("L"), "PNG"))
    image = verified(tree, tmp_path).splits["test"].images[0]
    assert (image == image[:, :, :1]).all()


def test_long_tail_keeps_a_hundredth_of_the_last_class(tmp_path):
    root = write_folders(tmp_path / "data", per_class=112)
    data = verified(root, tmp_path, "images32_long_tail")
    train = data.manifest["splits"]["train"]["per_class"]
    assert train == [101, 10, 1]  # 11 of 112 are held out
    assert data.manifest["splits"]["validation"]["per_class"] == [11] * 3
    assert data.class_groups == {"head": (0,), "middle": (1,), "tail": (2,)}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: shutil.rmtree(t / "test"), r"no test images in .*train/cat/1\.png.*download"),
        (lambda t: [shutil.rmtree(t / "train" / c) for c in CLASSES], "train has no class folders"),
        (
            lambda t: shutil.copy(t / "train/sneaker/000.png", t / "train/loose.png"),
            r"has images beside its class folders.*loose\.png into .*/CLASS/loose\.png",
        ),
        (
            lambda t: (t / "test/trouser").rename(t / "test/trousers"),
            "it lacks: trouser; it adds: trousers",
        ),
        (
            lambda t: [p.unlink() for p in (t / "train/trouser").iterdir()],
            r"no images in 1 of the \d+ class folders of \S+train: trouser; put some",
        ),
        (
            lambda t: [p.unlink() for p in sorted((t / "train/trouser").iterdir())[1:]],
            "the class trouser has one training image.*validation/",
        ),
        (
            lambda t: (t / "test/sneaker/500.png").write_bytes(b"\x89PNG cut off"),
            r"1 of 12 images are damaged:\n.*500\.png",
        ),
    ],
)
def test_what_is_wrong_with_folders_is_named(tree, tmp_path, damage, message):
    damage(tree)
    assert re.search(message, refusal(tree, tmp_path), re.S)


def test_one_class_is_not_enough(tree, tmp_path):
    for split in ("train", "test"):
        for name in CLASSES[1:]:
            shutil.rmtree(tree / split / name)
    assert "has one class folder, bag; there have to be at least two" in refusal(tree, tmp_path)


def test_data_larger_than_memory_is_refused_with_its_size(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(memory_limit, "available_memory", lambda: 2**19)
    told = refusal(folders, tmp_path)
    assert "has 72 images, which take 0.00 GiB of memory at 32 x 32 pixels" in told
    assert "stream from disk" in told and "imagenet1k" in told


def test_available_memory_is_less_than_there_is():
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < memory_limit.available_memory() <= there


@pytest.mark.parametrize(
    ("line", "group", "names"),
    [
        ("0::/slurm/job_7/step_0", "slurm/job_7", ("memory.max", "memory.current", "inactive")),
        (
            "4:cpu,memory:/slurm/job_7",
            "memory/slurm/job_7",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive"),
        ),
    ],
    ids=["version 2", "version 1"],
)
def test_the_limit_of_a_slurm_job_or_a_container_counts(tmp_path, line, group, names):
    (tmp_path / "own").write_text(f"1:pids:/elsewhere\n{line}\n")
    folder = tmp_path / "cgroup" / group
    (folder / "step_0").mkdir(parents=True)
    for name, content in zip(names, ("5000", "3000", None), strict=True):
        if content:
            (folder / name).write_text(f"{content}\n")
            (folder / "step_0" / name).write_text("max\n")
    (folder / "memory.stat").write_text(f"anon 7\n{names[2]}_file 400\n")
    left = memory_limit._left_in_groups(tmp_path / "own", tmp_path / "cgroup")
    assert list(left) == [2400]


def test_where_there_are_no_control_groups_the_machine_is_the_limit(tmp_path):
    assert list(memory_limit._left_in_groups(tmp_path / "absent", tmp_path)) == []


def test_changed_arrays_are_refused(folders, tmp_path):
    verified(folders, tmp_path)
    path = data_folder(tmp_path, "images32") / ARRAYS_FILE
    with np.load(path) as file:
        arrays = dict(file)
    arrays["train_images"][0, 0, 0, 0] ^= 1
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=r"images\.npz is not what the manifest.*data verify"):
        open_dataset("images32", tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"cannot read .*images\.npz.*data verify"):
        open_dataset("images32", tmp_path)


def test_data_that_was_not_verified_is_refused(tmp_path):
    with pytest.raises(DataError, match="has not been verified"):
        open_dataset("images32", tmp_path)


def test_files_of_cifar_are_read_in_their_order(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR10

    root = write_cifar10(tmp_path / "cifar", monkeypatch)
    data = verified(root, tmp_path)
    assert data.classes == tuple(f"class{number}" for number in range(10))
    original = CIFAR10(root, train=False)
    test = data.splits["test"]
    assert (test.images == original.data).all() and test.labels.tolist() == original.targets
    counts = {n: len(s.labels) for n, s in data.splits.items()}
    assert counts == {"train": 30, "validation": 10, "test": 10}


def test_damaged_files_of_cifar_are_not_opened(tmp_path, monkeypatch):
    root = write_cifar10(tmp_path / "cifar", monkeypatch)
    (root / "cifar-10-batches-py/data_batch_1").write_bytes(b"cos\nsystem\n")
    told = refusal(root, tmp_path)
    assert "CIFAR10" in told and "incomplete or damaged" in told
    assert f"polyrepro data download cifar10 --root {root}" in told


def test_without_a_network_the_download_says_which_file_to_copy(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR100

    monkeypatch.setattr(CIFAR100, "url", "http://127.0.0.1:9/cifar-100-python.tar.gz")
    with pytest.raises(SystemExit) as stopped:
        main(["data", "download", "cifar100", "--root", str(tmp_path)])
    told = str(stopped.value)
    assert "cannot download http://127.0.0.1:9/cifar-100-python.tar.gz" in told
    assert f"copy cifar-100-python.tar.gz from another machine to {tmp_path}" in told


def test_a_missing_folder_is_named(tmp_path):
    assert f"there is no folder {tmp_path}/absent" in refusal(tmp_path / "absent", tmp_path)
