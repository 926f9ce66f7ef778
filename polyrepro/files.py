"""Where files lie, and how they are written so that a half-written one is never seen."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

RECORD_FILE = "record.json"


def run_link(results: Path, run_id: str) -> Path:
    """The link to the folder of a run that is current; see `polyrepro.running.records`."""
    return results / "runs" / run_id


def record_path(results: Path, run_id: str) -> Path:
    """Where the current record of a run lies below a results folder."""
    return run_link(results, run_id) / RECORD_FILE


TARGET_PROBABILITY_FILE = "target_probability.jsonl"
"""In the folder of a detector's run: P_t of foreground and background, a line per epoch."""


def target_probability_path(results: Path, run_id: str) -> Path:
    """Where a detector's run keeps the course of P_t."""
    return record_path(results, run_id).parent / TARGET_PROBABILITY_FILE


PREDICTIONS_FILE = "predictions.npz"
"""In the folder of a run: what it says of each image, see `polyrepro.compact_predictions`."""


def compact_predictions_path(results: Path, run_id: str) -> Path:
    """Where a run keeps what it says of each validation and test image."""
    return record_path(results, run_id).parent / PREDICTIONS_FILE


def predictions_path(results: Path, run_id: str, split: str, kind: str) -> Path:
    """Where a detector's run keeps its predictions: COCO's `bbox` and `segm`, or `lidar`."""
    return record_path(results, run_id).parent / f"predictions_{split}.{kind}.json"


def progress_path(results: Path, run_id: str) -> Path:
    """Where a training that has not finished says how far it is."""
    return results / "progress" / f"{run_id}.json"


def curves_folder(results: Path, run_id: str) -> Path:
    """Where a training writes its curves for TensorBoard."""
    return results / "tensorboard" / run_id


def data_folder(results: Path, dataset: str) -> Path:
    """Where manifest and index of a data set lie below a results folder."""
    return results / "data" / dataset


def selection_path(results: Path, name: str) -> Path:
    """Where the result of a selection lies below a results folder."""
    return results / "selections" / f"{name}.json"


def manifest_path(results: Path, dataset: str) -> Path:
    """Where the manifest of a verified data set lies below a results folder."""
    return results / "data" / dataset / "manifest.json"


def require_writable(folder: Path) -> None:
    """Fail now, not after hours of training.

    Raises:
        OSError: naming the folder that cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            f"cannot write results to {folder}: {error.strerror}; choose another results folder"
        ) from None


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file that appears complete or not at all, also if the process is killed.

    Raises:
        OSError: if the folder cannot be written or the disk is full; an older file stays.
    """
    with write_whole(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def write_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write into that appears complete at the end or not at all.

    Raises:
        OSError: if the folder cannot be written or the disk is full; an older file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with naming_path(Path(temporary)), open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; results are to be shared like any other file.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_durably(path: Path, data: bytes) -> None:
    """Write a file and wait until it is on the disk; for files inside a folder not yet in use."""
    with naming_path(path), open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Inside, a place to fill; in the end the folder is there complete, and replaces an older one.

    Raises:
        OSError: if it cannot be written; then, and after any other error, the older one stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        complete = Path(temporary) / folder.name
        yield complete
        if folder.exists():
            folder.rename(Path(temporary) / "older")
        complete.rename(folder)
        fsync_folder(folder.parent)


def flush_to_disk(path: Path) -> None:
    """Wait until a file that somebody else wrote is on the disk."""
    with naming_path(path), open(path, "rb") as file:
        os.fsync(file.fileno())


@contextmanager
def naming_path(path: Path) -> Iterator[None]:
    """Name what could not be written: `No space left on device` alone does not say where.

    Raises:
        OSError: the one that was raised inside, with `path` if it had no file name.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def fsync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, renames included."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically; NaN is an error, because no other tool would read it."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def below_here(path: Path) -> Path:
    """The path from the working directory, if it lies there: a moved project stays the same."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
