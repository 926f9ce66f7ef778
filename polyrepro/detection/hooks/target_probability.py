"""Record P_t of foreground and background, and the leading term's share, while training."""

import inspect
import json
from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.heads import classification_losses
from polyrepro.detection.loss_calls import CallRecord, require_reachable
from polyrepro.detection.replacement import kind_of
from polyrepro.detection.target_probability_meter import TargetProbabilityMeter
from polyrepro.files import TARGET_PROBABILITY_FILE, naming_path, write_atomically
from polyrepro.losses.target_probability_sums import BINS, summarised


class TargetProbabilityHook(Hook):
    """Writes ``target_probability.jsonl`` into the runner's folder, a line per loss and interval.

    A line has the ``epoch`` and ``iteration`` up to which it counts (both from 1), the name of the
    ``loss``, and what :func:`polyrepro.detection.target_probability_meter.summarised` gives for
    ``foreground`` and ``background``. The means also go to the runner's log. Works for stock losses
    and Poly losses.

    Args:
        bins: number of equal bins of the histogram over [0, 1].
        interval: iterations per line; None for one line per epoch. A rest is written at the end of
            the epoch.
        heads: as for ``PolyLossHook``.

    Raises:
        DetectionError: before training, for settings or losses that cannot be used; after the
            first iteration, if a head has not called its loss, so that nothing is recorded.
    """

    # After PolyLossHook has put its losses in place.
    priority = "LOW"

    def __init__(
        self,
        bins: int = BINS,
        interval: int | None = None,
        heads: str | Sequence[str] | None = None,
    ) -> None:
        for name, value in (("bins", bins), ("interval", interval)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise DetectionError(
                    f"TargetProbabilityHook: {name} must be an integer >= 1, got {value!r}"
                )
        self.bins = bins
        self.heads = heads
        self._interval = interval
        self._meters: dict[str, TargetProbabilityMeter] = {}
        self._handles: list = []
        self._loaded: dict[str, Tensor] = {}
        self._lines: str | None = None
        self._calls: CallRecord | None = None

    def before_train(self, runner: Runner) -> None:
        places = classification_losses(runner.model, self.heads)
        for place in places:
            require_reachable(runner.model, place)
            meter = TargetProbabilityMeter(kind_of(place.loss, place.path), self.bins)
            self._meters[place.path] = meter
            if place.path in self._loaded:
                meter.load(self._loaded[place.path].to(next(runner.model.parameters()).device))
            self._handles.append(attach(place.loss, meter))
        self._calls = CallRecord(places)
        self._loaded = {}
        if self._lines is not None:
            # Lines that were written after the checkpoint would be written again.
            write_atomically(_file(runner), self._lines)
            self._lines = None

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: object = None,
        outputs: dict | None = None,
    ) -> None:
        self._calls.require_calls(data_batch)
        if self._interval is not None and (runner.iter + 1) % self._interval == 0:
            self._write(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        # The loop has counted the epoch's last iteration already.
        self._write(runner, runner.iter)

    def state_dict(self, runner: Runner) -> dict:
        """The lines, and what has been added up since the last one; all processes have to call."""
        device = next(runner.model.parameters()).device
        sums = {path: meter.state(device) for path, meter in self._meters.items()}
        for state in sums.values():
            all_reduce(state)
        file = _file(runner)
        return {
            "sums": {path: state.cpu() for path, state in sums.items()},
            "lines": file.read_text() if is_main_process() and file.exists() else "",
        }

    def load_state_dict(self, state: dict, first: bool) -> None:
        """Go on from a state; all of it is given to the first process."""
        self._loaded, self._lines = (state["sums"], state["lines"]) if first else ({}, None)

    def after_train(self, runner: Runner) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._meters.clear()
        self._calls.stop()

    def _write(self, runner: Runner, iteration: int) -> None:
        lines = []
        device = next(runner.model.parameters()).device
        for path, meter in self._meters.items():
            state = meter.state(device)
            all_reduce(state)
            meter.reset()
            if state.any():
                summary = summarised(state, self.bins)
                self._log(runner, path, summary)
                where = {"epoch": runner.epoch + 1, "iteration": iteration, "loss": path}
                lines.append(json.dumps({**where, **summary}) + "\n")
        if lines and is_main_process():
            with naming_path(_file(runner)), _file(runner).open("a") as file:
                file.writelines(lines)

    def _log(self, runner: Runner, path: str, summary: dict[str, dict]) -> None:
        for group, values in summary.items():
            for name in ("mean_pt", "leading_share"):
                if values[name] is not None:
                    key = f"{path}/{group}_{name}"
                    runner.message_hub.update_scalar(f"train/{key}", values[name])


def _file(runner: Runner) -> Path:
    return Path(runner.work_dir, TARGET_PROBABILITY_FILE)


def attach(loss: nn.Module, meter: TargetProbabilityMeter):
    """Pass every call of the loss on to the meter, whatever way its arguments are given."""
    signature = inspect.signature(loss.forward)

    def record(module, args, kwargs, output) -> None:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()  # FCOS gives no weight
        logits, label, weight = list(bound.arguments.values())[:3]
        meter.update(logits, label, weight)

    return loss.register_forward_hook(record, with_kwargs=True)
