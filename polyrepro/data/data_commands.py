"""`polyrepro data verify`, `download`, `cache` and `convert`: the command line."""

import argparse
import sys
from pathlib import Path

from polyrepro.data import (
    DATASETS,
    DETECTION_DATASETS,
    IMAGE_DATASETS,
    IMAGES32,
    DataError,
    load,
)
from polyrepro.data.detection_datasets import LIDAR_FOLDERS, MADE, verify_detection
from polyrepro.data.in_memory.cifar_files import CIFAR, download_cifar
from polyrepro.data.in_memory.images32 import verify_images32
from polyrepro.data.manifests import write_manifest
from polyrepro.files import write_json


def add_data_commands(commands: argparse._SubParsersAction) -> None:
    """Add `data verify`, `download`, `cache` and `convert` to the commands of `polyrepro`."""
    command = commands.add_parser("data", help="data sets: verify, download, cache, convert")
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("verify", help="check a data set and write its manifest")
    action.add_argument("dataset")
    action.add_argument("--root", type=Path, help="folder that the data set lies in, or a tar file")
    action.add_argument("--output", type=Path, required=True, help="folder for the manifest")
    action.add_argument(
        "--checksums",
        choices=("sampled", "full"),
        default="sampled",
        help="read, hash and decode 2000 images (the default) or all",
    )
    action.add_argument("--labels", type=Path, help="CSV image,synsets: several classes per image")
    action.set_defaults(command=_verify)
    action = actions.add_parser("download", help="fetch CIFAR-10 or CIFAR-100")
    action.add_argument("dataset", choices=CIFAR)
    action.add_argument("--root", type=Path, required=True, help="folder for its files")
    action.set_defaults(command=lambda options: download_cifar(options.dataset, options.root))

    action = actions.add_parser("cache", help="write a cache of resized images")
    action.add_argument("--index", type=Path, required=True, help="folder of the verified data set")
    action.add_argument("--output", type=Path, required=True, help="folder for the cache alone")
    action.add_argument("--shorter-side", type=int, default=256, help="in pixels (default 256)")
    action.add_argument("--workers", type=int, default=1, help="threads (default 1)")
    action.add_argument("--receipt", type=Path, help="write what the cache is here, too")
    action.set_defaults(command=_cache)

    action = actions.add_parser("convert", help="make the layout that `verify` reads")
    action.add_argument("dataset", choices=LIDAR_FOLDERS)
    action.add_argument(
        "--root",
        type=Path,
        required=True,
        help="Waymo's version 2, of parquet; or KITTI's training/ and ImageSets/",
    )
    action.add_argument("--output", type=Path, required=True, help="folder for the layout")
    action.set_defaults(command=_convert)


def _cache(options: argparse.Namespace) -> None:
    from polyrepro.data.indexed.cache_making import make_cache
    from polyrepro.data.indexed.indexed_images import IndexedImages

    if options.shorter_side < 32 or options.workers < 1:
        raise DataError("--shorter-side has to be at least 32, --workers at least 1")
    data = IndexedImages(options.index)
    described = make_cache(data, options.output, options.shorter_side, options.workers)
    if options.receipt is not None:
        write_json(options.receipt, described)
    print(
        f"{data.name}: {described['images']:,} images with shorter sides of "
        f"{described['shorter_side']} pixels in {options.output}, {described['bytes']:,} bytes",
        file=sys.stderr,
    )


def _convert(options: argparse.Namespace) -> None:
    from polyrepro.data.lidar.kitti_convert import convert_kitti
    from polyrepro.data.lidar.waymo_convert import convert_waymo

    convert = {"kitti": convert_kitti, "waymo": convert_waymo}[options.dataset]
    counts = convert(options.root, options.output)
    listed = ", ".join(f"{count:,} frames of {split}" for split, count in counts.items())
    print(
        f"{listed}; verify them: polyrepro data verify {options.dataset} --root {options.output} "
        "--output FOLDER",
        file=sys.stderr,
    )


def _verify(options: argparse.Namespace) -> None:
    name = options.dataset
    if options.root is not None and name in (*DATASETS, *MADE):
        raise DataError(f"{name} is part of the package and would not be read from --root; omit it")
    if options.labels is not None and name not in IMAGE_DATASETS:
        raise DataError(f"{name} has one kind of labels, its own; omit --labels")
    if name in DETECTION_DATASETS:
        write_manifest(options.output, verify_detection(name, options.root, options.output))
        return
    if name not in (*IMAGE_DATASETS, *IMAGES32):
        write_manifest(options.output, load(name).manifest)
        return
    if options.root is None:
        raise DataError(
            f"{name} is not part of the package; give its folder with --root, or under `data` in "
            "the configuration"
        )
    if name in IMAGES32:
        manifest, lines = verify_images32(name, options.root, options.output)
        write_manifest(options.output, manifest)
        _tell(name, lines)
        return
    _verify_images(options)


def _verify_images(options: argparse.Namespace) -> None:
    """Verify a data set of class folders, and print what was found."""
    from polyrepro.data.indexed.verification import verify

    name, full = options.dataset, options.checksums == "full"
    manifest = verify(
        IMAGE_DATASETS[name](), options.root, options.output, full=full, multi_label=options.labels
    )
    counts = [
        f"{split['images']:,} {split_name}" for split_name, split in manifest["splits"].items()
    ]
    lines = [
        f"files that are no images, by suffix: {_listed(manifest['files_ignored'])}",
        f"images that are unusual: {_listed(manifest['checks']['oddities'])}",
        f"{', '.join(counts)} images; {manifest['checks']['images']:,} read and decoded; "
        f"written to {options.output}",
    ]
    _tell(name, lines)


def _tell(name: str, lines: list[str]) -> None:
    for line in lines:
        print(f"{name}: {line}", file=sys.stderr)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what or 'without'}" for what, count in counts.items()) or "none"
