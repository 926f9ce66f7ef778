"""Everything that changes while a run trains, as plain tensors and numbers.

Order, augmentation and the model's own draws are functions of the position, and so is the learning
rate; no random state has to be kept.
"""

from dataclasses import dataclass, field

import torch
from timm.scheduler.scheduler import Scheduler
from timm.task import ClassificationTask
from torch import Tensor

from polyrepro.classification.evaluation import PredictionMeter


@dataclass
class TrainingState:
    """A run in the middle of its training.

    Attributes:
        position: steps done since the start of the run.
        part, whole: predictions of the current part of the epoch and of the current epoch.
        history: the rows of `polyrepro.classification.loop.train` so far.
        seconds: spent on the steps of the current epoch.
    """

    task: ClassificationTask
    optimizer: torch.optim.Optimizer
    scheduler: Scheduler
    part: PredictionMeter
    whole: PredictionMeter
    position: int = 0
    history: list[dict] = field(default_factory=list)
    seconds: float = 0.0

    def tensors(self) -> dict[str, Tensor]:
        """All tensors under flat names, as a safetensors file holds them."""
        optimizer = self.optimizer.state_dict()["state"]
        groups = {
            "model": self.task.trainable_module.state_dict(),
            "part": self.part.state(),
            "whole": self.whole.state(),
            **{f"optimizer.{index}": entries for index, entries in optimizer.items()},
        }
        return {
            f"{group}/{name}": value.detach().contiguous()
            for group, entries in groups.items()
            for name, value in entries.items()
            if isinstance(value, Tensor)
        }

    def numbers(self) -> dict:
        """Everything else, as JSON holds it."""
        return {"position": self.position, "history": self.history, "seconds": self.seconds}

    def load(self, tensors: dict[str, Tensor], numbers: dict) -> None:
        """Become the state that `tensors` and `numbers` were taken from."""
        groups: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            group, name = key.split("/", 1)
            groups.setdefault(group, {})[name] = value
        self.task.trainable_module.load_state_dict(groups.pop("model"))
        self.part.load_state(groups.pop("part", {}))
        self.whole.load_state(groups.pop("whole", {}))
        saved = self.optimizer.state_dict()
        saved["state"] = {int(g.removeprefix("optimizer.")): e for g, e in groups.items()}
        self.optimizer.load_state_dict(saved)
        self.position, self.seconds = numbers["position"], numbers["seconds"]
        self.history[:] = numbers["history"]
        self.scheduler.step_update(self.position)
