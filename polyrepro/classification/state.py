"""Everything that changes while a classifier trains, as plain tensors and numbers.

Order, augmentation and the model's own draws are functions of the position, and so is the learning
rate; no random state has to be kept.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from timm.scheduler.scheduler import Scheduler
from timm.task import ClassificationTask
from timm.utils import unwrap_model
from torch import Tensor, nn

from polyrepro.running.checkpoints import CheckpointError, Checkpoints
from polyrepro.running.processes import Processes

TENSORS_FILE = "state.safetensors"
NUMBERS_FILE = "state.json"


@dataclass
class TrainingState:
    """A run in the middle of its training.

    Attributes:
        part, whole: sums over the predictions of the current part of the epoch, and of its earlier
            parts (see `polyrepro.classification.metric_sums.Metrics`); each process has its own.
        pending: logits and targets of the current part that are not in its sums yet.
        position: steps done since the start of the run.
        evaluated: epochs whose evaluation is in the history.
        history: the rows so far.
        seconds: spent on the steps of the current epoch.
    """

    task: ClassificationTask
    optimizer: torch.optim.Optimizer
    scheduler: Scheduler
    part: Tensor
    whole: Tensor
    pending: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    position: int = 0
    evaluated: int = 0
    history: list[dict] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def network(self) -> nn.Module:
        """The trained network, without wrappers of compilation or of several processes."""
        return unwrap_model(self.task.trainable_module)

    @property
    def kept_network(self) -> nn.Module:
        """The network whose weights count in the end: the moving average, if there is one."""
        average = self.task.get_trainable_module(ema=True)
        return self.network if average is None else average.module

    def save(self, checkpoints: Checkpoints, processes: Processes) -> None:
        """Write a checkpoint of this state; all processes have to call."""
        tensors = self.tensors(processes)

        def write(folder: Path) -> None:
            (folder / TENSORS_FILE).write_bytes(safetensors.torch.save(tensors))
            (folder / NUMBERS_FILE).write_text(json.dumps(self.numbers()))

        checkpoints.save(self.position, write)

    def restore(self, checkpoints: Checkpoints, processes: Processes) -> bool:
        """Become the state in the newest checkpoint; False if there is none.

        Raises:
            CheckpointError: if a checkpoint is of another run, or is not what this version writes.
        """
        folder = checkpoints.newest()
        if folder is None:
            return False
        try:
            # Neither safetensors nor JSON can hold code that would run.
            tensors = safetensors.torch.load_file(folder / TENSORS_FILE)
            numbers = json.loads((folder / NUMBERS_FILE).read_text())
            self.load(tensors, numbers, processes)
        except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError, OSError) as error:
            raise CheckpointError(
                f"checkpoint {folder} has its checksums but does not fit this run ({error}); was "
                "it written with other versions of polyrepro, torch or timm? Remove it to go on "
                "from the one before it"
            ) from error
        return True

    def tensors(self, processes: Processes) -> dict[str, Tensor]:
        """All tensors under flat names, as a safetensors file holds them; all processes call."""
        groups: dict[str, dict] = {
            "network": self.network.state_dict(),
            "sums": {
                "part": processes.gathered(self.part),
                "whole": processes.gathered(self.whole),
            },
        }
        if self.pending:
            columns = zip(("logits", "targets"), zip(*self.pending, strict=True), strict=True)
            groups["pending"] = {n: processes.gathered(torch.cat(parts)) for n, parts in columns}
        if self.task.has_ema():
            groups["average"] = self.kept_network.state_dict()
        for index, entries in self.optimizer.state_dict()["state"].items():
            groups[f"optimizer.{index}"] = entries
        return {
            f"{group}/{name}": value.detach().contiguous()
            for group, entries in groups.items()
            for name, value in entries.items()
            if isinstance(value, Tensor)
        }

    def numbers(self) -> dict:
        """Everything else, as JSON holds it."""
        return {
            "position": self.position,
            "evaluated": self.evaluated,
            "history": self.history,
            "seconds": self.seconds,
        }

    def load(self, tensors: dict[str, Tensor], numbers: dict, processes: Processes) -> None:
        """Become the state that `tensors` and `numbers` were taken from.

        With another number of processes than before, the first one takes over all sums.
        """
        groups: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            group, name = key.split("/", 1)
            groups.setdefault(group, {})[name] = value
        self.network.load_state_dict(groups.pop("network"))
        if self.task.has_ema():
            self.kept_network.load_state_dict(groups.pop("average"))
        self.pending[:] = self._own_share(groups.pop("pending", {}), processes)
        for name, sums in groups.pop("sums").items():
            if len(sums) != processes.count:
                sums = torch.cat(
                    [sums.sum(0, keepdim=True), sums.new_zeros(processes.count, sums.shape[1])]
                )
            getattr(self, name).copy_(sums[processes.rank])
        saved = self.optimizer.state_dict()
        saved["state"] = {int(g.removeprefix("optimizer.")): e for g, e in groups.items()}
        self.optimizer.load_state_dict(saved)
        self._lay_out_like_weights()
        self.position, self.evaluated = numbers["position"], numbers["evaluated"]
        self.seconds = numbers["seconds"]
        self.history[:] = numbers["history"]
        self.scheduler.step_update(self.position)

    def _own_share(self, pending: dict[str, Tensor], processes: Processes) -> list:
        """What is this process's of the predictions of all, as `tensors` gathered them."""
        if not pending:
            return []
        logits, targets = pending["logits"], pending["targets"]
        if len(logits) != processes.count:
            logits, targets = logits.flatten(0, 1)[None], targets.flatten(0, 1)[None]
        if processes.rank >= len(logits):
            return []
        device = self.part.device
        return [(logits[processes.rank].to(device), targets[processes.rank].to(device))]

    def _lay_out_like_weights(self) -> None:
        """A file has one memory layout; the optimiser is fast if its tensors have the weights'."""
        for weight, entries in self.optimizer.state.items():
            for name, value in entries.items():
                if isinstance(value, Tensor) and value.shape == weight.shape:
                    entries[name] = torch.empty_like(weight).copy_(value)
