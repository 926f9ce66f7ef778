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

import safetensors
import safetensors.torch
import timm
import torch
from torch import Tensor

from polyrepro.classification.state import TrainingState
from polyrepro.errors import PolyreproError
from polyrepro.files import fsync_folder, write_durably
from polyrepro.running.processes import Processes

KEPT = 2


class CheckpointError(PolyreproError):
    """A checkpoint that belongs to another run."""


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

    @property
    def due(self) -> bool:
        """Whether the interval since the last checkpoint has passed."""
        return time.monotonic() - self._last >= self._interval

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint, then remove all but the last two; rank 0 does, all have to call.

        Raises:
            OSError: if it cannot be written, for example on a full disk; the older ones stay.
        """
        tensors = state.tensors(self._processes)
        if self._processes.first:
            self._write(state, tensors)
        # No process goes on, or ends, before the checkpoint is there.
        self._processes.from_first(None)
        self._last = time.monotonic()

    def _write(self, state: TrainingState, tensors: dict[str, Tensor]) -> None:
        data = safetensors.torch.save(tensors)
        description = {
            "identity": self._identity,
            "sha256": hashlib.sha256(data).hexdigest(),
            "processes": self._processes.count,
            "versions": {"torch": torch.__version__, "timm": timm.__version__},
            **state.numbers(),
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        for abandoned in self._folder.glob(".writing_*"):  # by a process that was killed
            shutil.rmtree(abandoned)
        temporary = self._folder / f".writing_{os.getpid()}"
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

    def restore(self, state: TrainingState) -> bool:
        """Load the newest checkpoint that is whole; False if there is none.

        Rank 0 chooses, so that all processes load the same one. Damaged ones are passed over with a
        message on standard error.

        Raises:
            CheckpointError: if a checkpoint is of another run.
        """
        chosen = self._newest_whole() if self._processes.first else None
        chosen = self._processes.from_first(chosen)
        if chosen is None:
            return False
        description = json.loads((chosen / "state.json").read_text())
        tensors = safetensors.torch.load_file(chosen / "state.safetensors")
        state.load(tensors, description, self._processes)
        return True

    def _newest_whole(self) -> Path | None:
        for path in self._newest_first():
            try:
                description = json.loads((path / "state.json").read_text())
                with open(path / "state.safetensors", "rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if found != description["sha256"]:
                    raise ValueError("the checksum of the tensors does not match")
                identity = description["identity"]
                with safetensors.safe_open(path / "state.safetensors", framework="pt"):
                    pass  # a file that only pretends to be one is found out here
            except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
                print(f"checkpoint {path} is damaged and not used: {error}", file=sys.stderr)
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
        return sorted(self._folder.glob("step_*"), reverse=True)
