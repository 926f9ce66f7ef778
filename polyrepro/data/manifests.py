"""Manifests of verified data sets, with a checksum of their own: a changed one is noticed."""

import hashlib
import json
from pathlib import Path

from polyrepro.data.in_memory.image_arrays import DataError
from polyrepro.files import write_json

MANIFEST = "manifest.json"
CHECKSUM = "manifest_sha256"
MEND = "make it with `polyrepro data verify`"


def write_manifest(folder: Path, manifest: dict, name: str = MANIFEST) -> None:
    """Write a manifest, atomically, with its checksum."""
    write_json(folder / name, {**manifest, CHECKSUM: checksum(manifest)})


def read_manifest(folder: Path, name: str = MANIFEST, mend: str = MEND) -> dict:
    """A manifest as `write_manifest` was given it.

    Args:
        mend: what a message says is to be done.

    Raises:
        DataError: if it is missing, no manifest, or not as it was written.
    """
    path = folder / name
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"there is no {path}: the data set has not been verified; {mend}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}; {mend}") from None
    written = manifest.pop(CHECKSUM, None) if isinstance(manifest, dict) else None
    if written is None:
        raise DataError(f"{path} is no manifest of this version of polyrepro; {mend}")
    if written != checksum(manifest):
        raise DataError(
            f"{path} was changed after it was written (its sha256 is {checksum(manifest)}, it says "
            f"{written}); {mend}"
        )
    return manifest


def checksum(manifest: dict) -> str:
    """SHA-256 of all but the root, so that data may be moved."""
    sealed = {key: value for key, value in manifest.items() if key != "root"}
    return hashlib.sha256(json.dumps(sealed).encode()).hexdigest()
