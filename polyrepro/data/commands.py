"""`polyrepro data verify`: the command line of the verification."""

import argparse
from pathlib import Path

from polyrepro.data.image_datasets import IMAGE_DATASETS


def add_data_commands(commands: argparse._SubParsersAction) -> None:
    """Add `data verify` to the commands of `polyrepro`."""
    command = commands.add_parser("data", help="large data sets")
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("verify", help="check a data set, write its index and manifest")
    action.add_argument("dataset", choices=list(IMAGE_DATASETS), metavar="DATASET")
    action.add_argument("--root", type=Path, required=True, help="its folder, or a tar file of it")
    action.add_argument("--output", type=Path, required=True, help="folder for the two files")
    action.add_argument(
        "--checksums",
        choices=("sampled", "full"),
        default="sampled",
        help="read, hash and decode 2000 images (default) or all of them",
    )
    action.add_argument("--labels", type=Path, help="CSV image,synsets: several classes per image")
    action.set_defaults(command=_verify)


def _verify(options: argparse.Namespace) -> None:
    from polyrepro.data.verification import verify

    manifest = verify(
        IMAGE_DATASETS[options.dataset](),
        options.root,
        options.output,
        full=options.checksums == "full",
        multi_label=options.labels,
    )
    counts = [f"{split['images']:,} {name}" for name, split in manifest["splits"].items()]
    checks = manifest["checks"]
    print(
        f"{options.dataset}: {', '.join(counts)} images; {checks['images']:,} read and decoded; "
        f"written to {options.output}"
    )
