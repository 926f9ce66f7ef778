"""The training that a run's link leads to, and the lock of whoever works on it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from polyrepro.errors import PolyreproError
from polyrepro.files import RECORD_FILE, run_link
from polyrepro.running.records import RecordError, load_record
from polyrepro.running.run_folders import run_folder
from polyrepro.runs import Run

if TYPE_CHECKING:
    from polyrepro.running.execution import Execution


class RunInUseError(PolyreproError):
    """Two commands cannot train one run."""


@contextmanager
def locked(results: Path, run: Run, citation: dict, execution: "Execution") -> Iterator[Path]:
    """Hold the folder of a training; the lock goes when the process that holds it ends.

    Raises:
        RunInUseError: if another command trains this run.
    """
    folder = run_folder(results, run, citation)
    folder.mkdir(parents=True, exist_ok=True)
    if not execution.processes.first:
        yield folder
        return
    try:
        with FileLock(folder / "lock", timeout=0):
            make_current(results, run, citation)
            yield folder
    except Timeout:
        raise RunInUseError(
            f"{run.id} is being trained by another process in {folder}; wait for it, or "
            "choose another results folder"
        ) from None


def make_current(results: Path, run: Run, citation: dict) -> None:
    """Have the run's link lead to this training; says on standard error if the data have changed.

    A folder in the link's place, which older versions made, is kept under another name.
    """
    link, folder = run_link(results, run.id), run_folder(results, run, citation)
    if link.is_symlink() and os.readlink(link) == folder.name:
        return
    before = link / RECORD_FILE
    if before.exists() and not (folder / RECORD_FILE).exists():
        _say_what_changed(run, citation, before)
    if link.is_dir() and not link.is_symlink():
        os.rename(link, link.with_name(f"{link.name}.before_{os.stat(link).st_mtime_ns}"))
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    os.symlink(folder.name, temporary)
    os.replace(temporary, link)


def _say_what_changed(run: Run, citation: dict, before: Path) -> None:
    try:
        record = load_record(before)
    except RecordError:
        return
    if record["identity"] == run.identity():
        message = "its data have changed since its record was made"
    else:
        message = "there is a record with another recipe or loss"
    print(
        f"{run.id}: {message}; training again, and keeping {before.resolve().parent}",
        file=sys.stderr,
        flush=True,
    )
