"""Checkpoints that can be trusted: complete or not there, verified when read, never another run's.

A checkpoint is a folder `step_<position>` with the files that a trainer wrote, and
`checkpoint.json`, which holds the identity of the run, the checksum of every file, and a checksum
of itself. It is written under another name, flushed, and renamed. The last two are kept: if the
newest turns out to be damaged, the one before it is used.

Checkpoints of versions that wrote no `checkpoint.json` are passed over with a message.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from polyrepro.errors import PolyreproError
from polyrepro.files import flush_to_disk, fsync_folder, naming_path, write_durably
from polyrepro.running.processes import Processes

DESCRIPTION = "checkpoint.json"
KEPT = 2
NAME = re.compile(r"step_(\d+)(\.pth)?")
"""Detectors of earlier versions wrote a single file."""


class CheckpointError(PolyreproError):
    """A checkpoint that belongs to another run."""


class _DamagedError(Exception):
    """Why a checkpoint cannot be used."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: holds this run's checkpoints and nothing else.
        identity: of the run; a checkpoint with another one is refused.
        processes: those that train the run.
        interval: seconds between checkpoints. Shorter runs write none.
    """

    def __init__(
        self, folder: Path, identity: str, processes: Processes, interval: float = 600.0
    ) -> None:
        self._folder, self._identity, self._interval = folder, identity, interval
        self._processes = processes
        self._last = time.monotonic()
        self._passed_over: list[Path] = []

    @property
    def due(self) -> bool:
        """Whether the interval since the last checkpoint has passed."""
        return time.monotonic() - self._last >= self._interval

    def save(self, position: int, write: Callable[[Path], None]) -> None:
        """Write a checkpoint, then remove all but the last two; rank 0 does, all have to call.

        Args:
            position: steps done.
            write: writes the files of the checkpoint into the folder that it is given.

        Raises:
            OSError: if it cannot be written, for example on a full disk; the older ones stay.
        """
        if self._processes.first:
            self._write(position, write)
        # No process goes on, or ends, before the checkpoint is there.
        self._processes.from_first(None)
        self._last = time.monotonic()

    def newest(self) -> Path | None:
        """The folder of the newest checkpoint that is whole; None if there is none.

        Rank 0 chooses, so that all processes load the same one. Damaged ones are passed over with
        a message on standard error, and removed when the next one has been written.

        Raises:
            CheckpointError: if a checkpoint is of another run.
        """
        chosen = self._newest_whole() if self._processes.first else None
        return self._processes.from_first(chosen)

    def _write(self, position: int, write: Callable[[Path], None]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for abandoned in self._folder.glob(".writing_*"):  # by a process that was killed
            shutil.rmtree(abandoned)
        temporary = self._folder / f".writing_{os.getpid()}"
        try:
            temporary.mkdir()
            with naming_path(temporary):
                write(temporary)
            files = sorted(temporary.iterdir())
            for path in files:
                flush_to_disk(path)
            content = {"identity": self._identity, "files": {p.name: _sha256(p) for p in files}}
            description = {"sha256": _sha256_of_json(content), "content": content}
            write_durably(temporary / DESCRIPTION, json.dumps(description).encode())
            fsync_folder(temporary)
            final = self._folder / f"step_{position:09d}"
            shutil.rmtree(final, ignore_errors=True)
            os.rename(temporary, final)
            fsync_folder(self._folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        self._remove_outdated(final)

    def _remove_outdated(self, newest: Path) -> None:
        """Keep the last two; what was passed over would only take the place of a whole one."""
        useless = [path for path in self._passed_over if path != newest and path.exists()]
        whole = [path for path in self._newest_first() if path not in useless]
        for outdated in useless + whole[KEPT:]:
            shutil.rmtree(outdated) if outdated.is_dir() else outdated.unlink()
        self._passed_over.clear()

    def _newest_whole(self) -> Path | None:
        self._passed_over.clear()
        for path in self._newest_first():
            try:
                identity = _verified_identity(path)
            except _DamagedError as error:
                print(f"checkpoint {path} is not used: {error}", file=sys.stderr)
                self._passed_over.append(path)
                continue
            if identity != self._identity:
                raise CheckpointError(
                    f"checkpoint {path} belongs to another configuration of this run, or to other "
                    f"data; remove {self._folder} to start from the beginning, or choose another "
                    "results folder"
                )
            return path
        return None

    def _newest_first(self) -> list[Path]:
        found = {path: NAME.fullmatch(path.name) for path in self._folder.glob("step_*")}
        positions = {path: int(match[1]) for path, match in found.items() if match}
        return sorted(positions, key=positions.__getitem__, reverse=True)


def _verified_identity(path: Path) -> str:
    """The run that a checkpoint belongs to, after everything in it has been verified.

    Raises:
        _DamagedError: if anything is missing or differs.
    """
    if path.suffix == ".pth" or not (path / DESCRIPTION).exists():
        raise _DamagedError(
            f"it has no {DESCRIPTION}, so it is incomplete or from an earlier version of polyrepro"
        )
    try:
        description = json.loads((path / DESCRIPTION).read_bytes())
        content = description["content"]
        if _sha256_of_json(content) != description["sha256"]:
            raise _DamagedError(f"it is damaged: {DESCRIPTION} does not have its own checksum")
        for name, checksum in content["files"].items():
            if _sha256(path / name) != checksum:
                raise _DamagedError(f"it is damaged: {name} does not have its checksum")
        return content["identity"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _DamagedError(f"it is damaged: {type(error).__name__}: {error}") from None


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of_json(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
