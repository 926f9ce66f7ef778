"""Hooks of the pipeline's own trainings: their course, their checkpoints, and how they stop."""

import os
import sys
import time
from pathlib import Path
from typing import Protocol

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from polyrepro.detection.checkpoints import load_from_local_safely
from polyrepro.detection.errors import DetectionError
from polyrepro.files import fsync_folder
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import InterruptedTrainingError

INTERVAL = 600.0
"""Seconds between checkpoints. Shorter trainings write none."""
KEPT = 2


class Stateful(Protocol):
    """A hook whose state belongs into checkpoints. Every process has to ask for it."""

    def state_dict(self, runner: Runner) -> dict: ...

    def load_state_dict(self, state: dict, first: bool) -> None: ...


class CourseHook(Hook):
    """Keeps one row per epoch: mean loss, seconds, images per second."""

    def __init__(self) -> None:
        self.rows: list[dict] = []
        self._sum: Tensor | float = 0.0
        self._steps = 0
        self._seconds = 0.0

    def before_train_epoch(self, runner: Runner) -> None:
        self._started = time.perf_counter() - self._seconds

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None
    ) -> None:
        self._sum = self._sum + outputs["loss"].detach()
        self._steps += 1

    def after_train_epoch(self, runner: Runner) -> None:
        seconds = time.perf_counter() - self._started
        row = {"epoch": runner.epoch + 1, "split": "train", "loss": float(self._sum) / self._steps}
        images = len(runner.train_dataloader.dataset)
        self.rows.append(row | {"seconds": seconds, "images_per_second": images / seconds})
        self._sum, self._steps, self._seconds = 0.0, 0, 0.0

    def state_dict(self, runner: Runner) -> dict:
        return {
            "rows": self.rows,
            "sum": float(self._sum),
            "steps": self._steps,
            "seconds": time.perf_counter() - self._started,
        }

    def load_state_dict(self, state: dict, first: bool) -> None:
        self.rows, self._sum = state["rows"], state["sum"]
        self._steps, self._seconds = state["steps"], state["seconds"]


class SaveAndStopHook(Hook):
    """Saves at intervals; after a signal saves and stops, after the step.

    Args:
        folder: holds this run's checkpoints and nothing else.
        identity: of run and data; a checkpoint with another one is refused.
        run_id: for messages.
        stateful: by name, hooks that are saved, too.
    """

    priority = "LOWEST"  # after the learning rate has been set for the next step

    def __init__(
        self,
        folder: Path,
        identity: str,
        run_id: str,
        execution: Execution,
        stateful: dict[str, Stateful],
    ) -> None:
        self.folder, self.identity, self.run_id = folder, identity, run_id
        self.execution, self.stateful = execution, stateful
        self._last = time.monotonic()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            for name, hook in self.stateful.items():
                hook.load_state_dict(checkpoint["hooks"][name], self.execution.processes.first)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint["hooks"] = self._states

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None
    ) -> None:
        self._obey(runner, runner.iter + 1)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        self._obey(runner, runner.iter)

    def _obey(self, runner: Runner, position: int) -> None:
        """Save and stop, if any process was asked to or the interval has passed."""
        processes = self.execution.processes
        due = processes.first and time.monotonic() - self._last >= INTERVAL
        stop, save = processes.any(self.execution.stop_requested, due)
        if stop or save:
            self._save(runner, position)
        if stop:
            raise InterruptedTrainingError(
                f"{self.run_id} stopped after step {position}; run the same command again to go on"
            )

    def _save(self, runner: Runner, position: int) -> None:
        self._states = {name: hook.state_dict(runner) for name, hook in self.stateful.items()}
        if self.execution.processes.first:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = f".writing_{os.getpid()}.pth"
            meta = {"epoch": runner.epoch, "iter": position, "identity": self.identity}
            # mmengine alone would leave half a file behind if it were killed now.
            runner.save_checkpoint(str(self.folder), temporary, meta=meta)
            with open(self.folder / temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(self.folder / temporary, self.folder / f"step_{position:09d}.pth")
            fsync_folder(self.folder)
            for outdated in newest_first(self.folder)[KEPT:]:
                outdated.unlink()
        # No process goes on, or ends, before the checkpoint is there.
        self.execution.processes.from_first(None)
        self._last = time.monotonic()


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints in a folder."""
    return sorted(folder.glob("step_*.pth"), reverse=True)


def checkpoint_to_resume(folder: Path, identity: str) -> Path | None:
    """The newest checkpoint that is whole; damaged ones are passed over with a message.

    Raises:
        DetectionError: if a checkpoint is of another configuration, or could run code.
    """
    for path in newest_first(folder):
        try:
            checkpoint = load_from_local_safely(path, map_location="cpu")
        except DetectionError as error:
            if "cannot be read" not in str(error):
                raise
            print(f"{error}", file=sys.stderr)
            continue
        if checkpoint["meta"].get("identity") != identity:
            raise DetectionError(
                f"checkpoint {path} belongs to another configuration of this run, or to other "
                f"data; remove {folder} to start from the beginning, or choose another results "
                "folder"
            )
        return path
    return None
