"""Stop at the first loss that is infinite or NaN."""

from collections.abc import Iterator, Mapping

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from polyrepro.detection.detection_errors import NonFiniteLossError
from polyrepro.detection.heads import unwrapped


def non_finite_parts(losses: Mapping[str, object]) -> dict[str, float]:
    """The named losses, each a tensor or a list of them, whose sum is not finite."""
    found = {}
    for name, value in losses.items():
        tensors = value if isinstance(value, list | tuple) else [value]
        if "loss" in name:
            total = sum(float(part.detach().sum()) for part in tensors if torch.is_tensor(part))
            if not abs(total) < float("inf"):
                found[name] = total
    return found


def sample_files(data_batch: object) -> list[str]:
    """The files of images or points of a batch, in order; also of batches of several branches."""
    return list(dict.fromkeys(_sample_files(data_batch)))


def _sample_files(data: object) -> Iterator[str]:
    path = getattr(data, "lidar_path", None) or getattr(data, "img_path", None)
    if path is not None:
        yield str(path)
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _sample_files(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _sample_files(value)


class FiniteLossHook(Hook):
    """Stops the training before a non-finite loss reaches the weights.

    The message names the iteration, the parts of the loss and the files of the batch.

    Raises:
        NonFiniteLossError: between the forward pass and the optimiser's step.
    """

    def __init__(self) -> None:
        self._batch: object = None

    def before_train(self, runner: Runner) -> None:
        model = unwrapped(runner.model)
        self._parse = model.parse_losses

        # Losses are added up between the forward pass and the step; no hook is called there.
        def parse_losses(losses: dict) -> tuple[Tensor, dict]:
            total, log = self._parse(losses)
            if not torch.isfinite(total.detach()).all():
                raise NonFiniteLossError(self._message(runner, losses))
            return total, log

        model.parse_losses = parse_losses

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        self._batch = data_batch

    def after_train(self, runner: Runner) -> None:
        unwrapped(runner.model).__dict__.pop("parse_losses", None)
        self._batch = None

    def _message(self, runner: Runner, losses: dict) -> str:
        parts = ", ".join(f"{name} = {value}" for name, value in non_finite_parts(losses).items())
        files = sample_files(self._batch)
        return (
            f"the loss is not finite in iteration {runner.iter + 1} (epoch {runner.epoch + 1}): "
            f"{parts or 'the sum'}. Files of the batch: {', '.join(files) or 'unknown'}. The "
            "weights are those before this step. Look at these files and their boxes, lower the "
            "learning rate or lengthen its warm-up, or clip gradients"
        )
