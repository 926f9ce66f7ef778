"""Values that a GPU computes, on the CPU, without waiting for what the GPU does after them."""

from collections.abc import Callable

import torch
from torch import Tensor


def copied_to_host(losses: list[Tensor]) -> Callable[[], Tensor]:
    """Start to copy losses to the CPU; what is returned waits for them and nothing later.

    Called between forward and backward pass, so that a GPU still has work while the CPU looks at
    the losses and queues the step of the optimiser.
    """
    stacked = torch.stack(losses).float()
    if stacked.device.type == "cpu":
        return lambda: stacked
    host = torch.empty(stacked.shape, pin_memory=True)
    host.copy_(stacked, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def wait() -> Tensor:
        copied.synchronize()
        return host

    return wait
