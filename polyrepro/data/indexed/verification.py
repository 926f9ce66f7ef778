"""Verifying a large data set once; trainings read what `verify` wrote and never list folders."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from polyrepro.data.held_out import RULE
from polyrepro.data.indexed.image_checks import check_images
from polyrepro.data.indexed.image_datasets import ImageDataset
from polyrepro.data.indexed.image_index import ImageIndex
from polyrepro.data.indexed.index_building import SPLITS, build_index
from polyrepro.data.indexed.layouts import Part, find_parts
from polyrepro.data.indexed.multi_label import read_multi_label
from polyrepro.data.indexed.pareto_tail import class_groups
from polyrepro.data.manifests import write_manifest
from polyrepro.files import write_atomically

SCHEMA = 1
INDEX_FILE = "index.npz"


def verify(
    dataset: ImageDataset,
    root: Path,
    output: Path,
    *,
    full: bool = False,
    multi_label: Path | None = None,
) -> dict:
    """List, check and split a data set, and write `index.npz` and `manifest.json`.

    Args:
        root: folder of the data set, or a tar file of it.
        output: folder for the two files; the manifest is written last.
        full: read, hash and decode every image, not a sample.
        multi_label: file of the classes per image (see `read_multi_label`).

    Returns:
        The manifest.

    Raises:
        DataError: if anything about the data is not as it should be; nothing is written then.
    """
    root = root.absolute()
    labels = None if multi_label is None else read_multi_label(multi_label, dataset.classes)
    parts = find_parts(dataset, root)
    index = build_index(dataset, parts, labels)
    base = root.parent if root.is_file() else root
    checks = check_images(base, index, dataset.classes, full=full)
    raw = index.to_bytes()
    splits = _count(dataset, index)
    manifest = {
        "schema": SCHEMA,
        "dataset": dataset.name,
        "root": str(base),
        "classes": list(dataset.classes),
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "splits": splits,
        "held_out": {"images": dataset.held_out, "rule": RULE} if dataset.held_out else None,
        "several_labels": None if multi_label is None else _sha256(multi_label.read_bytes()),
        "files_ignored": _ignored(parts),
        "bytes": int(index.sizes.sum()),
        "checks": checks,
        "index_sha256": _sha256(raw),
    }
    if dataset.tail is not None:
        manifest["class_groups"] = class_groups(splits["train"]["per_class"])
    write_atomically(output / INDEX_FILE, raw)
    write_manifest(output, manifest)
    return manifest


def _count(dataset: ImageDataset, index: ImageIndex) -> dict[str, dict]:
    counts = {}
    for number, split in enumerate(SPLITS):
        labels = index.labels[index.splits == number]
        if len(labels):
            per_class = np.bincount(labels, minlength=len(dataset.classes)).tolist()
            counts[split] = {"images": len(labels), "per_class": per_class}
    return counts


def _ignored(parts: dict[str, Part]) -> dict[str, int]:
    """Files that are no images, by suffix; a part that several splits share counts once."""
    counts = {id(part): part.ignored for part in parts.values()}.values()
    return dict(sorted(sum(counts, Counter()).items()))


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
