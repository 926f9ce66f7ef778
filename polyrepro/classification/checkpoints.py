"""Checkpoints that can be trusted: complete or not there, verified when read, never another run's.

A checkpoint is a folder `step_<position>` with `state.safetensors` and `state.json`, which holds
the identity of the run and the checksum of the tensors. It is written under another name, flushed,
and renamed. The last two are kept: if the newest turns out damaged, the one before it is used.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

import safetensors.torch

from polyrepro.classification.state import TrainingState
from polyrepro.errors import PolyreproError
from polyrepro.files import fsync_folder, write_durably

KEPT = 2


class CheckpointError(PolyreproError):
    """A checkpoint that belongs to another run."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: holds this run's checkpoints and nothing else.
        identity: of the run; a checkpoint with another one is refused.
        interval: seconds between checkpoints. Shorter runs write none.
    """

    def __init__(self, folder: Path, identity: str, interval: float = 600.0) -> None:
        self._folder, self._identity, self._interval = folder, identity, interval
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the interval since the last checkpoint has passed."""
        return time.monotonic() - self._last >= self._interval

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint, then remove all but the last two.

        Raises:
            OSError: if it cannot be written, for example on a full disk; the older ones stay.
        """
        data = safetensors.torch.save(state.tensors())
        description = {
            "identity": self._identity,
            "sha256": hashlib.sha256(data).hexdigest(),
            **state.numbers(),
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".writing_{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir()
            write_durably(temporary / "state.safetensors", data)
            write_durably(temporary / "state.json", json.dumps(description).encode())
            fsync_folder(temporary)
            final = self._folder / f"step_{state.position:09d}"
            shutil.rmtree(final, ignore_errors=True)
            os.rename(temporary, final)
            fsync_folder(self._folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        for outdated in self._newest_first()[KEPT:]:
            shutil.rmtree(outdated)
        self._last = time.monotonic()

    def restore(self, state: TrainingState) -> bool:
        """Load the newest checkpoint that is whole; False if there is none.

        Damaged ones are passed over with a message on standard error.

        Raises:
            CheckpointError: if a checkpoint is of another run.
        """
        for path in self._newest_first():
            try:
                description = json.loads((path / "state.json").read_text())
                data = (path / "state.safetensors").read_bytes()
                if hashlib.sha256(data).hexdigest() != description["sha256"]:
                    raise ValueError("the checksum of the tensors does not match")
                tensors = safetensors.torch.load(data)
            except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
                print(f"checkpoint {path} is damaged and not used: {error}", file=sys.stderr)
                continue
            if description["identity"] != self._identity:
                raise CheckpointError(
                    f"checkpoint {path} belongs to another configuration of this run; remove "
                    f"{self._folder} to start from the beginning, or choose another results folder"
                )
            state.load(tensors, description)
            return True
        return False

    def clear(self) -> None:
        """Remove all checkpoints, once the run has its record."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("step_*"), reverse=True)
