"""Hooks of the pipeline's own trainings: their course, their checkpoints, and how they stop."""

import time
from typing import Protocol

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import interrupted

STATE_FILE = "state.pth"
"""In a checkpoint's folder: what mmengine saves, and the states of the hooks."""


class Stateful(Protocol):
    """A hook whose state belongs in checkpoints. Every process has to call `state_dict`."""

    def state_dict(self, runner: Runner) -> dict: ...

    def load_state_dict(self, state: dict, first: bool) -> None: ...


class CourseHook(Hook):
    """Keeps one row per epoch: mean loss, seconds, images per second."""

    def __init__(self) -> None:
        self.rows: list[dict] = []
        self._sum: Tensor | float = 0.0
        self._steps = 0
        self._seconds = 0.0
        self._started: float | None = None

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
        self._sum, self._steps, self._seconds, self._started = 0.0, 0, 0.0, None

    def state_dict(self, runner: Runner) -> dict:
        # Between epochs and during the final evaluation no epoch is being timed.
        in_epoch = self._started is not None
        return {
            "rows": self.rows,
            "sum": float(self._sum),
            "steps": self._steps,
            "seconds": time.perf_counter() - self._started if in_epoch else self._seconds,
        }

    def load_state_dict(self, state: dict, first: bool) -> None:
        self.rows, self._sum = state["rows"], state["sum"]
        self._steps, self._seconds = state["steps"], state["seconds"]


class SaveAndStopHook(Hook):
    """Saves at intervals; after a signal saves and stops, after the step.

    Args:
        run_id: for messages.
        stateful: by name, hooks that are saved, too.
    """

    priority = "LOWEST"  # after the learning rate has been set for the next step

    def __init__(
        self,
        checkpoints: Checkpoints,
        run_id: str,
        execution: Execution,
        stateful: dict[str, Stateful],
    ) -> None:
        self.checkpoints, self.run_id = checkpoints, run_id
        self.execution, self.stateful = execution, stateful

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
        self._report(runner, runner.iter + 1, "training")

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        self._obey(runner, runner.iter)
        self._report(runner, runner.iter, "evaluating")

    def _report(self, runner: Runner, position: int, activity: str) -> None:
        rows = self.stateful["course"].rows
        self.execution.report(position, runner.max_iters, rows, activity)

    def _obey(self, runner: Runner, position: int) -> None:
        """Save and stop, if any process is to stop or the interval has passed."""
        processes = self.execution.processes
        due = processes.first and self.checkpoints.due
        stop, save = processes.any(self.execution.stop_requested, due)
        if stop or save:
            self._save(runner, position)
        if stop:
            raise interrupted(self.run_id, position, self.execution.interruption)

    def _save(self, runner: Runner, position: int) -> None:
        self._states = {name: hook.state_dict(runner) for name, hook in self.stateful.items()}
        meta = {"epoch": runner.epoch, "iter": position}
        self.checkpoints.save(
            position, lambda folder: runner.save_checkpoint(str(folder), STATE_FILE, meta=meta)
        )
