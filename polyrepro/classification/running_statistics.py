"""Batch normalisation's running statistics when a step takes several forward passes.

Each pass would update them, so that how fast they move would depend on how many passes a device
makes, and the evaluated network on the number of devices. Here every pass of a step starts from the
same statistics, and the step ends with the mean over all passes of all processes: one update per
step, the same (up to rounding) however the passes are spread.
"""

import torch
from torch import Tensor, nn

from polyrepro.running.processes import Processes


class RunningStatistics:
    """The floating-point buffers of a network; does nothing where a step is a single pass."""

    def __init__(self, network: nn.Module, processes: Processes, passes_per_step: int) -> None:
        self._processes, self._passes = processes, passes_per_step
        several = passes_per_step > 1
        self._buffers = [b for b in network.buffers() if b.is_floating_point() and several]
        self._start: list[Tensor] = []
        self._total: list[Tensor] = []

    def begin_step(self) -> None:
        """Remember the statistics that each pass starts from."""
        if self._buffers:
            self._start = [buffer.clone() for buffer in self._buffers]
            self._total = [torch.zeros_like(buffer) for buffer in self._buffers]

    def end_pass(self) -> None:
        """Keep what the pass made of them, and return to the start."""
        if self._buffers:
            torch._foreach_add_(self._total, self._buffers)
            torch._foreach_copy_(self._buffers, self._start)

    def end_step(self) -> None:
        """The mean over all passes; all processes have to call this."""
        if self._buffers:
            self._processes.sum_(self._total)
            torch._foreach_div_(self._total, self._passes)
            torch._foreach_copy_(self._buffers, self._total)
